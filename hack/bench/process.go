package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running subject, with the processes it starts itself.
type process struct {
	command *exec.Cmd
}

func start(program string, args ...string) (*process, error) {
	command := exec.Command(program, args...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return &process{command}, nil
}

func (p *process) stop() {
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	_ = p.command.Wait() // it was killed
}

// awaitPort waits until somebody listens on the port.
func (p *process) awaitPort(port int) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if len(sockets(port)) > 0 {
			return nil
		}
	}
	return errors.New("it does not listen")
}

// awaitRead waits until the receive buffers are empty and returns when that was.
func awaitRead(port int) time.Time {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		waiting := uint64(0)
		for _, s := range sockets(port) {
			waiting += s.queued
		}
		if now := time.Now(); waiting == 0 || now.After(deadline) {
			return now
		}
	}
}

// awaitIdle waits until what was read is worked off.
func (p *process) awaitIdle(port int) {
	last, since := p.cpu(), time.Now()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		now, waiting := p.cpu(), uint64(0)
		for _, s := range sockets(port) {
			waiting += s.queued
		}
		if now-last > 10*time.Millisecond || waiting > 0 {
			last, since = now, time.Now()
		}
		if time.Since(since) > 300*time.Millisecond {
			return
		}
	}
}

// clockTick is the unit of processor time in /proc, USER_HZ, which is 100 on all Linux machines.
const clockTick = 10 * time.Millisecond

// cpu is the processor time of the process and its group so far.
func (p *process) cpu() (sum time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name in brackets may hold anything.
		text := string(b)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 13 || fields[2] != strconv.Itoa(p.command.Process.Pid) {
			continue
		}
		for _, field := range fields[11:13] { // user and system time
			n, err := strconv.ParseInt(field, 10, 64)
			if err == nil {
				sum += time.Duration(n) * clockTick
			}
		}
	}
	return sum
}

// socket is a UDP socket as the kernel lists it.
type socket struct {
	queued, drops uint64
}

// sockets returns those bound to a port.
func sockets(port int) (out []socket) {
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		scanner := bufio.NewScanner(file)
		for scanner.Scan() {
			fields := strings.Fields(scanner.Text())
			if len(fields) < 13 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			_, queue, _ := strings.Cut(fields[4], ":")
			var s socket
			s.queued, _ = strconv.ParseUint(queue, 16, 64)
			s.drops, _ = strconv.ParseUint(fields[12], 10, 64)
			out = append(out, s)
		}
		_ = file.Close() // it was only read
	}
	return out
}

// drops is how many datagrams the kernel dropped at a port.
func drops(port int) (sum uint64) {
	for _, s := range sockets(port) {
		sum += s.drops
	}
	return sum
}

func freePort() (int, error) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // it was only asked for its number
	return conn.LocalAddr().(*net.UDPAddr).Port, nil
}
