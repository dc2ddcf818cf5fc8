package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// hostileCapture is a file for "collector decode".
type hostileCapture struct {
	name  string
	write func(w io.Writer) error
}

type captureResult struct {
	bytes, expanded int64
	peakMiB         int
	took            time.Duration
	end             string
}

func le32(v ...uint32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// pcapHeader of raw IPv4 packets.
func pcapHeader() []byte { return le32(0xa1b2c3d4, 4<<16|2, 0, 0, 262144, 101) }

func packet(b []byte) []byte { return join(le32(1_700_000_000, 0, uint32(len(b)), uint32(len(b))), b) }

// ipv4 is a packet, or a fragment, of UDP.
func ipv4Packet(id uint16, fragment uint16, payload []byte) []byte {
	b := join([]byte{0x45, 0}, u16(uint16(20+len(payload)), id, fragment), []byte{64, 17, 0, 0, 10, byte(id >> 8), byte(id), 1, 10, 0, 0, 2})
	return append(b, payload...)
}

// repeated writes b again and again up to a length.
func repeated(w io.Writer, b []byte, length int64) error {
	chunk := bytes.Repeat(b, max(1, (1<<20)/len(b)))
	for written := int64(0); written < length; written += int64(len(chunk)) {
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

const expanded = 4 << 30

var captures = []hostileCapture{
	{"zeros-that-expand", func(w io.Writer) error { return repeated(w, make([]byte, 1<<16), expanded) }},
	{"packets-that-expand", func(w io.Writer) error {
		if _, err := w.Write(pcapHeader()); err != nil {
			return err
		}
		udp := join(u16(2055, 2055, 1008, 0), ipfix(1, 1, set(999, make([]byte, 980))))
		return repeated(w, packet(ipv4Packet(1, 0, udp)), expanded/4)
	}},
	{"packet-of-four-gigabytes", func(w io.Writer) error {
		_, err := w.Write(join(pcapHeader(), le32(0, 0, 0xffffffff, 0xffffffff), make([]byte, 1000)))
		return err
	}},
	{"block-of-four-gigabytes", func(w io.Writer) error {
		_, err := w.Write(join(le32(0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28), le32(6, 0xfffffffc, 0, 0, 0, 0xfffffff0)))
		return err
	}},
	{"fragments-without-end", func(w io.Writer) error {
		if _, err := w.Write(pcapHeader()); err != nil {
			return err
		}
		var b []byte
		for id := range uint16(65535) {
			b = append(b, packet(ipv4Packet(id, 0x2000, make([]byte, 1400)))...)
			b = append(b, packet(ipv4Packet(id, 0x2000|1000, make([]byte, 1400)))...)
		}
		return repeated(w, b, expanded/8)
	}},
}

// counting counts what is written.
type counting struct {
	io.Writer
	n int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	return n, err
}

// decode writes the capture, compressed, and has the collector decode it.
func (c hostileCapture) decode(ctx context.Context, o options, path string) (r captureResult, err error) {
	file, err := os.Create(path)
	if err != nil {
		return r, err
	}
	compressed := &counting{Writer: file}
	zip, _ := gzip.NewWriterLevel(compressed, gzip.BestSpeed) // the level is a valid one
	plain := &counting{Writer: zip}
	if err := errors.Join(c.write(plain), zip.Close(), file.Close()); err != nil {
		return r, err
	}
	r.bytes, r.expanded = compressed.n, plain.n
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, o.collector, "decode", path)
	command.Stderr = &tail{buffer: &stderr}
	began := time.Now()
	err = command.Run()
	r.took = time.Since(began)
	if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peakMiB = int(usage.Maxrss >> 10)
	}
	r.end = fmt.Sprintf("status %d", command.ProcessState.ExitCode())
	if ctx.Err() != nil {
		return r, fmt.Errorf("%s: it did not end in five minutes", c.name)
	}
	if r.peakMiB > o.ceiling {
		return r, fmt.Errorf("%s: %d MiB exceed the ceiling of %d", c.name, r.peakMiB, o.ceiling)
	}
	if text := stderr.String(); strings.Contains(text, "panic:") || command.ProcessState.ExitCode() == 2 && strings.Contains(text, "goroutine ") {
		return r, fmt.Errorf("%s: %s", c.name, text)
	}
	return r, nil
}

// tail keeps the last of what is written.
type tail struct{ buffer *bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	if t.buffer.Len() > 1<<16 {
		t.buffer.Reset()
	}
	return t.buffer.Write(b)
}
