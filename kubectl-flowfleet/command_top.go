package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/top"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/talkers"
)

type topFlags struct {
	by, sort                          string
	exporter, network, iface, subject string
	port                              int
	window, interval                  time.Duration
	rows                              int
	once                              bool
}

func newTopCommand(c connection) *cobra.Command {
	var flags topFlags
	command := &cobra.Command{
		Use:   "top [FLEET]",
		Short: "Show what weighs most among a fleet's flows, live",
		Long: `top shows what weighs most over the last minute, by one of: ` + strings.Join(top.Names(), ", ") + `.
On a terminal it follows, and keys choose by what; elsewhere, and with --once, it prints one table.

Volumes are scaled by the sampling rates; a star marks those with flows whose rate nobody said. A flow that two exporters saw counts
twice: --exporter shows one of them. It runs "collector top" in a pod of the fleet, which needs the right to create pods/exec.`,
		Example: `  kubectl flowfleet top -n flows
  kubectl flowfleet top edge --by interface --exporter 192.0.2.1
  kubectl flowfleet top edge --by conversation --network 10.20.0.0/16 --once`,
		Args: onlyFleet,
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), c, fleetName(args), command.OutOrStdout())
		},
	}
	command.Flags().StringVar(&flags.by, "by", "exporter", "what flows are summed up by")
	command.Flags().StringVar(&flags.sort, "sort", "bytes", "the order: "+strings.Join(top.OrderNames(), ", "))
	command.Flags().StringVar(&flags.exporter, "exporter", "", "only flows of one exporter's address (sFlow: the agent's)")
	command.Flags().StringVar(&flags.network, "network", "", "only flows from or to an address or a network such as 10.20.0.0/16")
	command.Flags().IntVar(&flags.port, "port", 0, "only flows from or to a port")
	command.Flags().StringVar(&flags.iface, "interface", "", "only flows in or out of an interface: its number, or the name that flows carry")
	command.Flags().StringVar(&flags.subject, "subject", "", "only flows of a subject, such as flows.*.*.ipfix (default: all)")
	command.Flags().DurationVar(&flags.window, "window", time.Minute, "sum up the flows of so long a time, which ends now (at least 12s)")
	command.Flags().DurationVar(&flags.interval, "interval", 2*time.Second, "the time between two looks")
	command.Flags().IntVar(&flags.rows, "rows", 100, "show no more than so many")
	command.Flags().BoolVar(&flags.once, "once", false, "print one table, and end")
	return command
}

func (flags *topFlags) run(ctx context.Context, c connection, name string, out io.Writer) error {
	dimension, err := top.Find(flags.by)
	if err != nil {
		return fmt.Errorf("--by %w", err)
	}
	if _, err := top.FindOrder(flags.sort); err != nil {
		return fmt.Errorf("--sort %w", err)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	f, err := client.FlowCollector(ctx, name)
	if err != nil {
		return err
	}
	if file, ok := out.(*os.File); flags.once || !ok || !term.IsTerminal(file.Fd()) {
		return flags.read(ctx, client, f, flags.by, flags.sort, true, func(r top.Report) error { return r.Print(out, dimension.Title) })
	}
	screen := talkers.NewScreen(ctx, func(ctx context.Context, by, sort string, report func(top.Report)) error {
		return flags.read(ctx, client, f, by, sort, false, func(r top.Report) error {
			report(r)
			return nil
		})
	}, f.Namespace+"/"+f.Name, flags.by, flags.sort)
	if _, err := tea.NewProgram(screen, tea.WithContext(ctx)).Run(); err != nil && !errors.Is(err, tea.ErrProgramKilled) {
		return err
	}
	return screen.Err()
}

// maxReport bounds the line of one report, in bytes.
const maxReport = 4 << 20

// read runs "collector top" in a pod, and hands over its reports.
func (flags *topFlags) read(ctx context.Context, client *fleet.Client, f *v1alpha1.FlowCollector, by, sort string, once bool, each func(top.Report) error) error {
	lines, writer := io.Pipe()
	var problems words
	ended := make(chan error, 1)
	go func() {
		err := client.Run(ctx, f, writer, &problems, flags.arguments(by, sort, once)...)
		_ = writer.Close() // a pipe's end reports nothing
		ended <- err
	}()
	defer func() { _ = lines.Close() }() // has Run end, if it still writes
	scanner := newScanner(lines)
	for scanner.Scan() {
		var report top.Report
		if err := json.Unmarshal(scanner.Bytes(), &report); err != nil {
			return fmt.Errorf("the collector's answer cannot be read: %w", err)
		}
		for i := range report.Rows {
			report.Rows[i].Key = top.Printable(report.Rows[i].Key)
		}
		if err := each(report); err != nil {
			return err
		}
	}
	_ = lines.Close()
	err := <-ended
	if err != nil && len(problems) > 0 {
		err = fmt.Errorf("%w: %s", err, problems.said())
	}
	if tooLong := scanner.Err(); tooLong != nil {
		err = fmt.Errorf("the collector's answer cannot be read: %w", tooLong)
	}
	return err
}

// words are the first of what a program says of its problems.
type words []byte

// maxWords bounds them, in bytes.
const maxWords = 4 << 10

// Write implements io.Writer. It takes everything, and keeps the beginning.
func (w *words) Write(b []byte) (int, error) {
	*w = append(*w, b[:min(len(b), maxWords-len(*w))]...)
	return len(b), nil
}

// said are the words on one line, without the usage of the collector's command, which is none of this one.
func (w words) said() string {
	text, _, _ := strings.Cut(strings.TrimSpace(string(w)), "\nusage: ")
	return top.Printable(strings.Join(strings.Split(text, "\n"), "; "))
}

func newScanner(r io.Reader) *bufio.Scanner {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxReport)
	return scanner
}

// arguments of "collector top".
func (flags *topFlags) arguments(by, sort string, once bool) []string {
	arguments := []string{"top", "--json", "--until-input-ends", "--by", by, "--sort", sort, "--window", flags.window.String(),
		"--interval", flags.interval.String(), "--rows", strconv.Itoa(flags.rows)}
	for flag, value := range map[string]string{"exporter": flags.exporter, "network": flags.network, "interface": flags.iface, "subject": flags.subject} {
		if value != "" {
			arguments = append(arguments, "--"+flag, value)
		}
	}
	if flags.port != 0 {
		arguments = append(arguments, "--port", strconv.Itoa(flags.port))
	}
	if once {
		arguments = append(arguments, "--once")
	}
	return arguments
}
