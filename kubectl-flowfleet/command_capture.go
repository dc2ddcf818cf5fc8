package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/flowfleet/flowfleet/collector/capture"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/collector/tap"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/gather"
)

// maxCaptured bounds the collectors that capture at a time: each is a connection through the API server.
const maxCaptured = 64

type captureFlags struct {
	limit        gather.Limit
	bytes        string
	output       string
	nodes        []string
	withoutEvent bool
}

func newCaptureCommand(c connection) *cobra.Command {
	var flags captureFlags
	command := &cobra.Command{
		Use:   "capture ADDRESS [FLEET]",
		Short: "Capture the raw datagrams of one exporter, from all collectors, as one pcapng file",
		Long: `capture writes the datagrams that come from one address, as the collectors receive them, into one pcapng file, which Wireshark and
"collector decode" read. It is the first thing that a report of wrong flows needs. ADDRESS is where the datagrams come from; an agent of
sFlow may call itself otherwise.

It ends after --for (up to 5m), --count datagrams or --max-bytes (up to 64Mi) in all, or with an interrupt; the file is whole then, too.
Each collector is an interface of the file, whose statistics say what it received, and what did not fit. Datagrams stand in the order of
their times as far as collectors deliver them within 2s of each other.

Datagrams tell who talks to whom. So it needs rights that viewers do not have: to create pods/exec, since it runs "collector capture" in
the pods, and events, since it first leaves one on the FlowCollector, with your name. The collectors log and count captures, too.

A fleet of more than 64 collectors needs --node: "kubectl get flowexporter -o yaml" names the nodes that hear an exporter.`,
		Example: `  kubectl flowfleet capture 192.0.2.1 edge -o router.pcapng
  kubectl flowfleet capture 192.0.2.1 --for 2m --count 1000 -o router.pcapng
  kubectl flowfleet capture 2001:db8::1 --node node-1 | wireshark -k -i -`,
		Args: addressAndFleet,
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), c, args[0], fleetName(args[1:]), command.OutOrStdout(), command.ErrOrStderr())
		},
		ValidArgsFunction: func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.completeFleet(command, args[1:], typed)
		},
	}
	command.Flags().DurationVar(&flags.limit.For, "for", 30*time.Second, "capture so long")
	command.Flags().IntVar(&flags.limit.Count, "count", 0, "end after so many datagrams; 0 takes as many as come")
	command.Flags().StringVar(&flags.bytes, "max-bytes", "64Mi", "end with so many bytes")
	command.Flags().StringVarP(&flags.output, "output", "o", "-", "the file to write; one that is there is kept, and one without a datagram is removed. "+
		"- is the standard output, which must be no terminal")
	command.Flags().StringSliceVar(&flags.nodes, "node", nil, "ask the collectors of these nodes only")
	command.Flags().BoolVar(&flags.withoutEvent, "without-event", false, "capture also where the event on the FlowCollector cannot be written")
	return command
}

// parse checks what was typed.
func (flags *captureFlags) parse(address string) error {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("%q: an address such as 192.0.2.1 is needed", address)
	}
	flags.limit.Address = parsed.Unmap().WithZone("")
	var size config.Size
	if err := size.UnmarshalJSON([]byte(flags.bytes)); err != nil {
		return fmt.Errorf("--max-bytes: %w", err)
	}
	flags.limit.Bytes = int64(size)
	return flags.request("").Check()
}

// request is what each collector is asked for.
func (flags *captureFlags) request(user string) *tap.Request {
	return &tap.Request{Address: flags.limit.Address, For: flags.limit.For, Count: flags.limit.Count, Bytes: flags.limit.Bytes, By: user}
}

func (flags *captureFlags) run(ctx context.Context, c connection, address, name string, out, messages io.Writer) (err error) {
	if err := flags.parse(address); err != nil {
		return err
	}
	if file, ok := out.(*os.File); ok && flags.output == "-" && term.IsTerminal(file.Fd()) {
		return errors.New("a capture is not for a terminal: name a file by --output")
	}
	v, err := c.open(ctx, name)
	if err != nil {
		return err
	}
	asked, err := flags.choose(v.collectors)
	if err != nil {
		return err
	}
	captured := false
	if flags.output != "-" {
		file, failed := newFile(flags.output)
		if failed != nil {
			return failed
		}
		defer func() {
			err = errors.Join(err, file.Close())
			if !captured { // so that the same command can be typed again
				err = errors.Join(err, os.Remove(flags.output))
			}
		}()
		out = file
	}
	user, err := flags.trace(ctx, v, len(asked), messages)
	if err != nil {
		return err
	}
	outcomes, err := gather.Gather(ctx, flags.sources(v.Client, asked, user), flags.limit, "kubectl flowfleet "+observe.Version(),
		fmt.Sprintf("Datagrams of %s as the collectors of %s/%s received them, captured for %s. %s", flags.limit.Address, v.fleet.Namespace, v.fleet.Name,
			cmp.Or(user, "somebody"), capture.Remark), out)
	captured = slices.ContainsFunc(outcomes, func(o gather.Outcome) bool { return o.Taken > 0 })
	if err != nil {
		return fmt.Errorf("writing the capture: %w", err)
	}
	return flags.report(messages, asked, outcomes)
}

// choose returns the collectors that are asked.
func (flags *captureFlags) choose(all []fleet.Collector) ([]fleet.Collector, error) {
	var chosen []fleet.Collector
	for _, one := range all {
		if len(flags.nodes) == 0 || slices.Contains(flags.nodes, one.Node) {
			chosen = append(chosen, one)
		}
	}
	for _, node := range flags.nodes {
		if !slices.ContainsFunc(chosen, func(one fleet.Collector) bool { return one.Node == node }) {
			return nil, fmt.Errorf("no collector runs on node %q: see kubectl flowfleet status", node)
		}
	}
	switch {
	case len(chosen) == 0:
		return nil, errors.New("no collector runs: see kubectl flowfleet status")
	case len(chosen) > maxCaptured:
		return nil, fmt.Errorf("%d collectors are more than capture at a time, which is %d: name nodes by --node; \"kubectl get flowexporter -o yaml\" "+
			"says which hear an exporter", len(chosen), maxCaptured)
	}
	return chosen, nil
}

// trace leaves an event before anything is captured, and returns who asks.
func (flags *captureFlags) trace(ctx context.Context, v view, collectors int, messages io.Writer) (user string, err error) {
	if user, err = v.User(ctx); err == nil {
		message := fmt.Sprintf("%s captures raw datagrams of %s from %d collectors, for %s", user, flags.limit.Address, collectors, flags.limit.For)
		if flags.limit.Count > 0 {
			message += fmt.Sprintf(" or %d datagrams", flags.limit.Count)
		}
		err = v.Trace(ctx, v.fleet, fleet.ReasonCaptured, message)
	}
	if err == nil || !flags.withoutEvent {
		if err != nil {
			err = fmt.Errorf("nothing was captured, since a capture leaves a trace: %w", err)
			if apierrors.IsForbidden(err) {
				err = fleet.Lacking(err, v.fleet.Namespace)
			} else {
				err = fmt.Errorf("%w (--without-event captures all the same)", err)
			}
		}
		return user, err
	}
	_, _ = fmt.Fprintln(messages, "there is no event of this capture:", err) // it is only said
	return user, nil
}

// sources run "collector capture" in the pods.
func (flags *captureFlags) sources(client *fleet.Client, asked []fleet.Collector, user string) (sources []gather.Source) {
	request := flags.request(user)
	arguments := []string{"capture", request.Address.String(), "--for", request.For.String(), "--count", strconv.Itoa(request.Count),
		"--max-bytes", strconv.FormatInt(request.Bytes, 10), "--by", by(request.By), "--until-input-ends"}
	for _, one := range asked {
		sources = append(sources, gather.Source{Name: one.Pod, Description: fmt.Sprintf("collector %s on node %s", one.Pod, one.Node),
			Capture: func(ctx context.Context, in io.Reader, out io.Writer) error {
				var problems words
				err := client.Exec(ctx, one, in, out, &problems, arguments...)
				if err != nil && len(problems) > 0 {
					err = fmt.Errorf("%w: %s", err, problems.said())
				}
				return err
			}})
	}
	return sources
}

// by is who asks, as far as a request has room: cut between letters, since half a one would become longer on its way.
func by(user string) string {
	return strings.ToValidUTF8(user[:min(len(user), tap.MaxBy)], "")
}

// report says what each collector had. It is an error where nobody heard anything, and where one did not answer.
func (flags *captureFlags) report(messages io.Writer, asked []fleet.Collector, outcomes []gather.Outcome) error {
	taken, received := 0, uint64(0)
	var missing []error
	var names []string
	for i := range outcomes {
		o, who := &outcomes[i], fmt.Sprintf("collector %s on node %s", asked[i].Pod, asked[i].Node)
		taken += o.Taken
		if o.Err != nil {
			missing = append(missing, fmt.Errorf("%s: %s", who, status.Text(o.Err.Error())))
		}
		if o.Statistics == nil {
			continue
		}
		names = append(names, asked[i].Pod)
		received += o.Statistics.Received
		text := capture.Summary(flags.limit.Address, o.Statistics)
		if o.LeftOut > 0 {
			text += fmt.Sprintf("; %d of them are left out, since the file has what was asked for", o.LeftOut)
		}
		_, _ = fmt.Fprintf(messages, "%s: %s\n", who, text) // the capture is written
	}
	_, _ = fmt.Fprintf(messages, "%d datagrams of %s are in the capture\n", taken, flags.limit.Address) // likewise
	if taken == 0 && received == 0 && len(names) > 0 {
		missing = append(missing, fmt.Errorf("nothing was heard of %s by %s: \"kubectl flowfleet exporters\" lists who was; it may have sent nothing in this time, "+
			"or have another address here", flags.limit.Address, strings.Join(names, ", ")))
	}
	return errors.Join(missing...)
}
