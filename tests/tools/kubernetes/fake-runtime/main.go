// fake-runtime is a container runtime that pretends: the kubelet's own fake, served on a socket. Sandboxes, containers and images are
// entries in its memory; everything else about a pod (volumes, plugins, tokens) is the real kubelet's.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cri-client/pkg/fake"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: fake-runtime unix:///path/to.sock")
		os.Exit(2)
	}
	runtime := fake.NewFakeRemoteRuntime()
	if err := runtime.Start(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "fake-runtime: serve %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	runtime.Stop()
}
