package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// Cluster runs the command of a cluster on this machine.
func (r *Rig) Cluster(ctx context.Context, arguments ...string) (string, error) {
	m, ok := r.place.(*machine)
	if !ok {
		return "", fmt.Errorf("a cluster %q has no such command: %s", r.options.Cluster, strings.Join(arguments, " "))
	}
	return output(m.command(ctx, arguments...))
}

// Exec returns a command that runs where exporters are ("exporter"), or in another of the networks of a cluster on this machine.
func (r *Rig) Exec(ctx context.Context, network string, arguments ...string) *exec.Cmd {
	return r.place.exec(ctx, network, arguments...)
}

// Stay starts a program in one of the networks of a cluster on this machine, which outlives the rig and ends with the cluster. It takes only
// what time the nodes leave it.
func (r *Rig) Stay(ctx context.Context, network string, arguments ...string) error {
	if !r.OwnsNodes() {
		return fmt.Errorf("a cluster %q keeps no programs of this machine: %s", r.options.Cluster, strings.Join(arguments, " "))
	}
	command := append([]string{"-n", "19", r.built("cluster"), "--name", r.options.Name, "exec", "--stay", network, "--"}, arguments...)
	_, err := output(r.here(ctx, "nice", command...))
	return err
}

// Program builds a program of the clone, and returns its path. The file is there until Leave or Down.
func (r *Rig) Program(ctx context.Context, name, pkg string) (string, error) {
	return r.built(name), r.build(ctx, name, pkg)
}

// here returns a command of this machine. It is ended in order, and ends what it began: flowgen waits for what may still come, up to
// a minute in some tests.
func (r *Rig) here(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = r.root
	ownGroup(command, 2*time.Minute)
	return command
}

// ownGroup keeps what is typed on a terminal from a program: Ctrl-C would end what takes a cluster down, and leave half of it. A program is
// interrupted by its context, or because this program has ended, and killed where it does not end within a time.
func ownGroup(command *exec.Cmd, delay time.Duration) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = delay
}

// Kubectl runs kubectl.
func (r *Rig) Kubectl(ctx context.Context, arguments ...string) (string, error) {
	return output(r.KubectlCommand(ctx, arguments...))
}

// KubectlCommand returns kubectl, to be run.
func (r *Rig) KubectlCommand(ctx context.Context, arguments ...string) *exec.Cmd {
	return r.client(ctx, filepath.Join(r.programs, "kubectl"), arguments...)
}

// Shell runs a script whose kubectl is the cluster's, and returns what it prints.
func (r *Rig) Shell(ctx context.Context, script string) (string, error) {
	command := exec.CommandContext(ctx, "sh", "-euc", script)
	command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig, "PATH="+r.programs+":"+os.Getenv("PATH"))
	return output(command)
}

// Apply applies manifests.
func (r *Rig) Apply(ctx context.Context, manifests string, arguments ...string) error {
	command := r.KubectlCommand(ctx, append([]string{"apply", "-f", "-"}, arguments...)...)
	command.Stdin = strings.NewReader(manifests)
	_, err := output(command)
	return err
}

// Plugin runs the plugin of kubectl, which the first call builds: a demo has no use for it.
func (r *Rig) Plugin(ctx context.Context, arguments ...string) (string, error) {
	const program = "kubectl-flowfleet"
	if _, err := os.Stat(r.built(program)); err != nil {
		if err := r.build(ctx, program, "./"+program); err != nil {
			return "", err
		}
	}
	return output(r.client(ctx, r.built(program), arguments...))
}

// client returns a program that asks the cluster's API server.
func (r *Rig) client(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig)
	ownGroup(command, 10*time.Second)
	return command
}

// Helm runs helm.
func (r *Rig) Helm(ctx context.Context, arguments ...string) (string, error) {
	return output(r.client(ctx, filepath.Join(r.programs, "helm"), arguments...))
}

// Send sends flows from the exporters' network with flowgen, whose arguments these are, and verifies nothing.
func (r *Rig) Send(ctx context.Context, f Fleet, arguments ...string) error {
	_, err := output(r.Exec(ctx, "exporter", append([]string{r.flowgen, "send", "--target", f.Address}, arguments...)...))
	return err
}

// Traffic sends and verifies flows from the exporters' network with flowgen, whose arguments these are. When the context ends
// so does the sending; what was sent is verified nevertheless.
func (r *Rig) Traffic(ctx context.Context, f Fleet, arguments ...string) (check.Report, error) {
	all := []string{r.flowgen, "run", "--json", "--target", f.Address, "--server", f.Server, "--stream", f.Stream()}
	if r.OwnsNodes() {
		all = append(all, "--source", "10.78.128.1") // elsewhere exporters have one address, and differ in their ports
	}
	command := r.Exec(ctx, "exporter", append(all, arguments...)...)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	var report check.Report
	// The status is 1 for a report of losses too.
	if decoding := json.Unmarshal(out, &report); decoding != nil {
		return report, fmt.Errorf("flowgen: %w: %s", errors.Join(err, decoding), problems.Bytes())
	}
	return report, nil
}

// Await tries until there is no error, for as long as limit.
func Await(ctx context.Context, limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func output(command *exec.Cmd) (string, error) {
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		// Without the folder: somebody may want to type it.
		name := strings.Join(append([]string{filepath.Base(command.Args[0])}, command.Args[1:]...), " ")
		return "", fmt.Errorf("%s: %w\n%s%s", name, err, out, bytes.TrimSpace(problems.Bytes()))
	}
	return string(out), nil
}
