// registrar tells the kubelet about a CSI driver, as node-driver-registrar does beside the upstream driver: it serves the plugin
// registration socket and answers with the driver's name and endpoint.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type server struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
}

func (s *server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: s.name, Endpoint: s.endpoint, SupportedVersions: []string{"1.0.0"}}, nil
}

func (s *server) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (
	*registration.RegistrationStatusResponse, error) {
	log.Printf("registered: %v %s", status.PluginRegistered, status.Error)
	return &registration.RegistrationStatusResponse{}, nil
}

func main() {
	name := flag.String("driver-name", "secrets-store.csi.k8s.io", "name of the driver")
	endpoint := flag.String("endpoint", "", "path of the driver's socket as the kubelet sees it")
	socket := flag.String("registration-socket", "", "path of the socket to serve, below the kubelet's plugins_registry")
	flag.Parse()
	os.Remove(*socket)
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	serving := grpc.NewServer()
	registration.RegisterRegistrationServer(serving, &server{name: *name, endpoint: *endpoint})
	go func() {
		<-stop
		serving.Stop()
	}()
	if err := serving.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
