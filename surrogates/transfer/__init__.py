"""Earlier campaigns and simulations as prior data: what other set-ups found, weighed by how well it fits this one."""
