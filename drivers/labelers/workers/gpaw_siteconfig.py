# Build settings of GPAW without MPI, libxc and BLAS: LDA and PBE are built in, and on one core it is as fast.
# Used as: GPAW_CONFIG=drivers/labelers/workers/gpaw_siteconfig.py pip install gpaw
mpi = False
compiler = "gcc"
libraries: list[str] = []
noblas = True
nolibxc = True
extra_compile_args = ["-O3", "-fPIC"]
