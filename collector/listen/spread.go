//go:build linux

package listen

import (
	"fmt"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where the kernel grants a socket less room than it is asked for, each worker has several of them, over which the datagrams of each
// exporter are spread: a burst then finds the room of all. The kernel's own choice would put all of one exporter into one of them.

// networkHeader is SKF_NET_OFF of linux/filter.h: where a filter finds the IP header, as its offset 0 is the UDP payload.
const networkHeader = 0xfff00000

// program chooses one of workers*each sockets, in the order in which they were bound: the worker by the exporter's address and port, so
// that the datagrams of an exporter are read by one worker, in order; at random among its sockets.
func program(workers, each int) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: networkHeader, Size: 1}, // version and header length
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 6},
		// IPv4: the port stands behind a header of any length.
		bpf.LoadMemShift{Off: networkHeader},
		bpf.LoadIndirect{Off: networkHeader, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: 1},
		bpf.LoadAbsolute{Off: networkHeader + 12, Size: 4},
		bpf.TAX{},
		bpf.Jump{Skip: 12},
		// IPv6: where extension headers stand before the port, what is there serves as well as long as it does not change.
		bpf.LoadAbsolute{Off: networkHeader + 40, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: 1},
		bpf.LoadAbsolute{Off: networkHeader + 8, Size: 4},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: networkHeader + 12, Size: 4},
		bpf.ALUOpX{Op: bpf.ALUOpXor},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: networkHeader + 16, Size: 4},
		bpf.ALUOpX{Op: bpf.ALUOpXor},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: networkHeader + 20, Size: 4},
		bpf.ALUOpX{Op: bpf.ALUOpXor},
		// Both: the address in A (IPv6) and X (IPv4), the port in M[1].
		bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 0x9E3779B1}, // 2^32 by the golden ratio
		bpf.ALUOpX{Op: bpf.ALUOpXor},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 0x85EBCA6B},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(workers)},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: uint32(each)},
		bpf.TAX{},
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(each)},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.RetA{},
	}
}

// spread makes the kernel choose the sockets of a port by program. It needs no privilege.
func spread(raw syscall.RawConn, workers, each int) error {
	instructions, err := bpf.Assemble(program(workers, each))
	if err != nil {
		return fmt.Errorf("assembling the filter that spreads datagrams: %w", err)
	}
	filters := make([]unix.SockFilter, len(instructions))
	for i, in := range instructions {
		filters[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return setFilter(raw, unix.SO_ATTACH_REUSEPORT_CBPF, filters)
}

func setFilter(raw syscall.RawConn, option int, filters []unix.SockFilter) error {
	program := unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, option, &program)
	}); err != nil {
		return err
	}
	return failed
}
