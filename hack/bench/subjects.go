package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// goflow2Module is what goflow2's binary is built from.
const goflow2Module = "github.com/netsampler/goflow2/v2/cmd/goflow2@v2.2.6"

// subject is a collector that can be measured.
type subject struct {
	name string
	// start by protocol; missing where the subject does not speak it.
	start map[string]func(port int) (*process, error)
}

// sizes are what the subjects' sockets are given.
type sizes struct {
	// buffer of each socket in bytes, for all that let it be set. goflow2 does not: it has the system's net.core.rmem_default.
	buffer int
	// sockets that this collector's one worker has where it may have several; it is then measured with one, too.
	sockets int
}

// findSubjects returns the collectors that are there, and notes about those that are not.
func findSubjects(collector, directory string, z sizes) (subjects []subject, notes []string) {
	for _, output := range []string{"nothing", "JetStream"} {
		for _, sockets := range slices.Compact([]int{1, z.sockets}) {
			s := subject{name: "flowfleet to " + output, start: make(map[string]func(int) (*process, error))}
			if z.sockets > 1 {
				s.name += fmt.Sprintf(", sockets: %d", sockets)
			}
			for _, protocol := range []string{"netflow9", "ipfix", "sflow"} {
				s.start[protocol] = func(port int) (*process, error) {
					return startFlowfleet(collector, directory, output, port, sockets, z.buffer)
				}
			}
			subjects = append(subjects, s)
		}
	}
	binary := filepath.Join(directory, "goflow2")
	build := exec.Command("go", "install", goflow2Module)
	build.Env = append(os.Environ(), "GOBIN="+directory, "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		notes = append(notes, fmt.Sprintf("goflow2 could not be built and is left out: %v\n%s", err, out))
	} else {
		goflow2 := func(scheme string) func(int) (*process, error) {
			return func(port int) (*process, error) {
				// Blocking: what it cannot take is then dropped by the kernel, and counted like the others' losses.
				return start(binary, "-listen", fmt.Sprintf("%s://127.0.0.1:%d/?blocking=true", scheme, port), "-format", "bin",
					"-transport", "file", "-transport.file", os.DevNull, "-addr", "127.0.0.1:0", "-loglevel", "error")
			}
		}
		subjects = append(subjects, subject{"goflow2 to a null file", map[string]func(int) (*process, error){
			"netflow9": goflow2("netflow"), "ipfix": goflow2("netflow"), "sflow": goflow2("sflow"),
		}})
	}
	nfdump := subject{"nfdump's collector to files", make(map[string]func(int) (*process, error))}
	for protocol, program := range map[string]string{"netflow9": "nfcapd", "ipfix": "nfcapd", "sflow": "sfcapd"} {
		if _, err := exec.LookPath(program); err != nil {
			notes = append(notes, program+" is not installed and is left out")
			continue
		}
		nfdump.start[protocol] = func(port int) (*process, error) {
			files, err := os.MkdirTemp(directory, "nfcapd-")
			if err != nil {
				return nil, err
			}
			return start(program, "-w", files, "-b", "127.0.0.1", "-p", fmt.Sprint(port), "-B", fmt.Sprint(z.buffer))
		}
	}
	subjects = append(subjects, nfdump)
	if _, err := exec.LookPath("nfacctd"); err != nil {
		return subjects, append(notes, "nfacctd is not installed and is left out")
	}
	pmacct := func(program, option string) func(int) (*process, error) {
		return func(port int) (*process, error) {
			file := filepath.Join(directory, program+".conf")
			if err := os.WriteFile(file, fmt.Appendf(nil, `daemonize: false
%s_port: %d
%s_ip: 127.0.0.1
%s_pipe_size: %d
plugins: print
plugin_pipe_size: 67108864
plugin_buffer_size: 65536
aggregate: src_host, dst_host, src_port, dst_port, proto
print_refresh_time: 600
print_cache_entries: 1048573
print_output_file: %s
`, option, port, option, option, z.buffer, os.DevNull), 0o600); err != nil {
				return nil, err
			}
			return start(program, "-f", file)
		}
	}
	accounting := subject{"nfacctd, aggregating", map[string]func(int) (*process, error){
		"netflow9": pmacct("nfacctd", "nfacctd"), "ipfix": pmacct("nfacctd", "nfacctd"),
	}}
	if _, err := exec.LookPath("sfacctd"); err == nil {
		accounting.start["sflow"] = pmacct("sfacctd", "sfacctd")
	}
	return append(subjects, accounting), notes
}

// receiveBuffer in bytes, the same for all that let it be set.
const receiveBuffer = 32 << 20

func startFlowfleet(binary, directory, output string, port, sockets, buffer int) (*process, error) {
	store, err := os.MkdirTemp(directory, "nats-")
	if err != nil {
		return nil, err
	}
	rest := "output: {kind: None}\ntemplateStore: {disabled: true}\n"
	if output == "JetStream" {
		rest = fmt.Sprintf("nats: {embedded: {address: \"127.0.0.1:0\", storeDir: %q}}\n"+
			"output: {stream: {maxBytes: 2Gi}, buffer: {policy: block, maxBytes: 16Mi}}\n", store)
	}
	file := filepath.Join(store, "collector.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
listeners: [{name: bench, address: "127.0.0.1:%d", workers: 1, sockets: %d, receiveBuffer: %d}]
http: {address: "-"}
log: {level: error}
drainTime: 100ms
%s`, port, sockets, sockets*buffer, rest), 0o600); err != nil {
		return nil, err
	}
	return start(binary, "run", "--config", file)
}
