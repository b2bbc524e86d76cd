"""Real servers for the tests: a Kubernetes API server and kubelets, OpenBao, PostgreSQL and a TCP fault proxy, on loopback only.

Each class starts and stops its server, on ports chosen at run time, with its files and logs below one directory. A server also
ends with the test process, however that ends. A missing program is an error that says how to build it, never a skip.
"""
