package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// traffic is the network of the demo's own packets.
const traffic = "net 127.77.0.0/16"

// exporters are the running softflowd and pmacctd.
type exporters struct {
	commands []*exec.Cmd
	once     sync.Once
}

// startExporters starts them towards the balancer's ports. Their timeouts are short, so that flows come every few seconds.
func startExporters(ctx context.Context, directory string, b *balancer) (*exporters, error) {
	pmacctd := filepath.Join(directory, "pmacctd.conf")
	configuration := fmt.Sprintf(`daemonize: false
pcap_interface: lo
pcap_filter: %s
plugins: nfprobe[ipfix], sfprobe[sflow]
aggregate[ipfix]: src_host, dst_host, src_port, dst_port, proto, tos
nfprobe_receiver[ipfix]: %s
nfprobe_version[ipfix]: 10
nfprobe_timeouts[ipfix]: tcp=2:tcp.rst=1:tcp.fin=1:udp=2:icmp=1:general=2:maxlife=2:expint=1
sfprobe_receiver[sflow]: %s
sfprobe_agentip[sflow]: 127.0.0.1
sampling_rate[sflow]: 200
`, traffic, b.address(1), b.address(2))
	if err := os.WriteFile(pmacctd, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	e := &exporters{}
	for _, args := range [][]string{
		{"softflowd", "-d", "-i", "lo", "-v", "9", "-n", b.address(0), "-t", "maxlife=2", "-t", "udp=2", "-t", "expint=1",
			"-c", filepath.Join(directory, "softflowd.ctl"), "-p", filepath.Join(directory, "softflowd.pid"), traffic},
		{"pmacctd", "-f", pmacctd},
	} {
		command := exec.CommandContext(ctx, args[0], args[1:]...)
		// A group of its own: pmacctd's plugins are processes too.
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		if err := command.Start(); err != nil {
			e.stop()
			return nil, fmt.Errorf("starting %s: %w", args[0], err)
		}
		e.commands = append(e.commands, command)
	}
	return e, nil
}

func (e *exporters) stop() {
	e.once.Do(func() {
		for _, command := range e.commands {
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
		}
		for _, command := range e.commands {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = command.Wait() // how it ends does not matter
			}()
			select {
			case <-done:
			case <-time.After(3 * time.Second):
				_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
				<-done
			}
		}
	})
}

// flows is how many conversations the traffic has.
const flows = 25

// startTraffic sends packets between addresses of the loopback network until it is stopped.
func startTraffic(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var conns, receivers []*net.UDPConn
	for i := range byte(flows) {
		// Somebody has to listen, or the kernel answers each packet with an ICMP message.
		receiver, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 77, 2, i+1)})
		if err != nil {
			cancel()
			return nil, fmt.Errorf("making traffic: %w", err)
		}
		conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 77, 1, i+1)}, receiver.LocalAddr().(*net.UDPAddr))
		if err != nil {
			cancel()
			return nil, fmt.Errorf("making traffic: %w", err)
		}
		conns, receivers = append(conns, conn), append(receivers, receiver)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		payload := make([]byte, 400)
		for sleep(ctx, 20*time.Millisecond) == nil {
			for _, conn := range conns {
				_, _ = conn.Write(payload) // what does not arrive is not watched either
			}
		}
		for _, conn := range append(conns, receivers...) {
			_ = conn.Close()
		}
	}()
	return func() {
		cancel()
		<-done
	}, nil
}
