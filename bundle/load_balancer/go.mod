module k3a/bundle/load_balancer

go 1.26.0

require (
	github.com/coreos/go-systemd/v22 v22.7.0
	github.com/inetaf/tcpproxy v0.0.0-20260515195445-c159a6051109
	golang.org/x/sys v0.49.0
)
