package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"time"
)

const numberOfLaptops = 12

// makeTraffic plays the web, DNS and calls of an office until the context ends: laptops have the addresses NETWORK.1.10 and so on, servers
// NETWORK.8.80, .8.53 and .9.20. Those that are not of 127.0.0.0/8 it gives to the loopback interface first.
func makeTraffic(ctx context.Context, network string) error {
	first, err := netip.ParseAddr(network + ".1.10")
	if err != nil {
		return fmt.Errorf("-traffic %q: it is the beginning of addresses, such as 10.20: %w", network, err)
	}
	web, names, calls := netip.MustParseAddr(network+".8.80"), netip.MustParseAddr(network+".8.53"), netip.MustParseAddr(network+".9.20")
	clients := make([]netip.Addr, numberOfLaptops)
	for i, address := 0, first; i < len(clients); i, address = i+1, address.Next() {
		clients[i] = address
	}
	for _, address := range append([]netip.Addr{web, names, calls}, clients...) {
		if address.IsLoopback() {
			continue
		}
		if out, err := exec.CommandContext(ctx, "ip", "address", "replace", address.String()+"/32", "dev", "lo").CombinedOutput(); err != nil {
			return fmt.Errorf("giving %s to the loopback interface: %w\n%s", address, err, out)
		}
	}
	if err := serveWeb(ctx, netip.AddrPortFrom(web, 443)); err != nil {
		return err
	}
	if err := answer(ctx, netip.AddrPortFrom(names, 53), 160); err != nil {
		return err
	}
	if err := answer(ctx, netip.AddrPortFrom(calls, 5004), 172); err != nil {
		return err
	}
	var running sync.WaitGroup
	for i, client := range clients {
		running.Go(func() {
			repeat(ctx, time.Duration(700+50*i)*time.Millisecond, func() {
				ask(ctx, client, netip.AddrPortFrom(names, 53), 40+i, 1, 0)
				visit(ctx, client, netip.AddrPortFrom(web, 443))
			})
		})
		if i < 3 {
			running.Go(func() { // 50 packets a second each way, as of a G.711 call
				repeat(ctx, time.Second, func() { ask(ctx, client, netip.AddrPortFrom(calls, 5004), 172, 50, 20*time.Millisecond) })
			})
		}
	}
	running.Wait()
	return nil
}

func repeat(ctx context.Context, every time.Duration, do func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// serveWeb answers each connection with a page.
func serveWeb(ctx context.Context, at netip.AddrPort) error {
	listener, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	page := make([]byte, 24<<10)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // the end
			}
			go func() {
				defer func() { _ = connection.Close() }()
				request := make([]byte, 2048)
				if _, err := connection.Read(request); err == nil {
					_, _ = connection.Write(page)
				}
			}()
		}
	}()
	return nil
}

// visit gets a page.
func visit(ctx context.Context, client netip.Addr, server netip.AddrPort) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), Timeout: time.Second}
	connection, err := dialer.DialContext(ctx, "tcp4", server.String())
	if err != nil {
		return // the next one may do better
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(time.Second))
	if _, err := connection.Write(make([]byte, 600)); err == nil {
		_, _ = io.Copy(io.Discard, connection)
	}
}

// answer sends size bytes back for each datagram.
func answer(ctx context.Context, at netip.AddrPort, size int) error {
	socket, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = socket.Close() })
	go func() {
		question, reply := make([]byte, 2048), make([]byte, size)
		for {
			_, from, err := socket.ReadFromUDPAddrPort(question)
			if err != nil {
				return // the end
			}
			_, _ = socket.WriteToUDPAddrPort(reply, from)
		}
	}()
	return nil
}

// ask sends a number of datagrams from a port of their own, with a pause between.
func ask(ctx context.Context, client netip.Addr, to netip.AddrPort, size, number int, pause time.Duration) {
	socket, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return
	}
	defer func() { _ = socket.Close() }()
	reply := make([]byte, 2048)
	for range number {
		if ctx.Err() != nil {
			return
		}
		_, _ = socket.Write(make([]byte, size))
		_ = socket.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = socket.Read(reply)
		time.Sleep(pause)
	}
}
