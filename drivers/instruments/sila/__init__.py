"""SiLA 2: a driver for any server of the standard, and a server of simulated devices."""
