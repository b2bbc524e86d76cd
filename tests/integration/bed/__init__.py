"""Real servers for the tests: a Kubernetes API server and kubelets, OpenBao, PostgreSQL and a TCP fault proxy, on loopback only.

Each class starts its server on ports chosen at run time, with its files and logs below one directory, and takes it down again; a
server also dies with the test process, whatever ended that. A missing program is an error that says how to build it, never a skip.
"""
