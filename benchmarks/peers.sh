#!/usr/bin/env bash
# The planner beside its peers on the harness in ../shared/bench: benchmarks/peers.sh [ours|fast|slow ...]
# Each peer lives in an environment of its own below build/peers. Results and tables: build/peers/bench/results,
# build/peers/RESULTS.md. A rerun skips the campaigns that are there. `slow` takes about two hours of one core.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD work=$PWD/build/peers
export OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore
mkdir -p "$work"
[ -d "$work/bench" ] || { cp -r ../shared/bench "$work/bench"; rm -f "$work"/bench/results/*; }
[ -e "$work/data" ] || ln -s "$(cd ../shared/data && pwd)" "$work/data"

environment() { # name packages...
  local python=$work/$1/bin/python; shift
  [ -x "$python" ] && return
  python3 -m venv "${python%/bin/python}"
  "$python" -m pip install --quiet --constraint constraints.txt torch
  "$python" -m pip install --quiet --constraint constraints.txt numpy scipy scikit-learn pandas "$@"
}
bench() { # environment optimizer file arguments...
  local python=$work/$1/bin/python optimizer=$2 out=results/$3.jsonl; shift 3
  [[ $python == */ours/* ]] && python=$root/.venv/bin/python
  (cd "$work/bench" && PYTHONPATH=$root "$python" bo_bench.py --optimizer "$optimizer" --out "$out" "$@")
}
boxes=branin,branin+noise5,hartmann6,hartmann6+noise5,ackley5,ackley5+noise5
pools=p3ht_cnt,agnp,crossed_barrel
boxes() { bench "$1" "$2" "synthetic_${2##*:}" --problem $boxes --seeds "$3"; }
pools() { bench "$1" "$2" "pool_${2##*:}" --problem $pools --seeds "$3"; }
learn() { bench "$1" "$2" "al_${2##*:}" --mode al --problem $pools --budget 40 --seeds "$3"; }
speed() { bench "$1" "$2" latency --latency 10,20,40,80 --seeds 3; }
ours=$root/benchmarks/bo_adapter.py

for stage in "${@:-ours}"; do case $stage in
  ours) for c in Alquimia AlquimiaLogEI; do pools ours "$ours:$c" 20; boxes ours "$ours:$c" 20; speed ours "$ours:$c"; done
        for c in Alquimia AlquimiaVariance; do learn ours "$ours:$c" 24; done ;;
  fast) environment core botorch==0.18.1; environment optuna optuna==5.0.0 cmaes
        boxes core random 20; pools core random 50; boxes core sobol 20; pools core sobol 20
        learn core random 24; learn core sobol 10
        for o in rf-lcb2 gpiso-lcb2 gpard-lcb2; do pools core $o 10; done
        for o in optuna-gp optuna-tpe; do boxes optuna $o 10; pools optuna $o 10; speed optuna $o; done ;;
  slow) environment core botorch==0.18.1; environment ax ax-platform==1.3.1; environment baybe baybe==0.15.0
        environment nimo nimo
        for o in botorch-ucb botorch-qlogei; do pools core $o 10; boxes core $o 5; speed core $o; done
        pools baybe baybe 5; boxes baybe baybe 5; speed baybe baybe; pools ax ax 5; boxes ax ax 5; speed ax ax
        for o in botorch-pstd botorch-nipv; do learn core $o 5; done
        for o in baybe-pstd baybe-nipv; do learn baybe $o 5; done
        pools nimo nimo 3; for o in nimo physbo; do bench nimo $o synthetic_$o --problem branin,hartmann6 --seeds 3; done ;;
  *) echo "no stage $stage: ours, fast or slow" >&2; exit 2 ;;
esac; done
(cd "$work/bench" && "$root/.venv/bin/python" summarise.py) | tee "$work/RESULTS.md"
