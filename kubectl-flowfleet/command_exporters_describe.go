package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/exporters"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/verify"
)

type describeFlags struct {
	output   string
	interval time.Duration
}

// described is an exporter as it is printed: what the operator says of it, and the books.
type described struct {
	exporters.One
	Objects []v1alpha1.FlowExporter `json:"flowExporters"`
	nodes   map[string]string       // of the collectors
}

func newExportersDescribeCommand(c connection) *cobra.Command {
	var flags describeFlags
	command := &cobra.Command{
		Use:   "describe ADDRESS [FLEET]",
		Short: "Show all that is known of one exporter",
		Long: `describe shows what the operator says of an exporter (its FlowExporter, if there is one), who hears it, what of it was not decoded
and why, and its sequences: what it sent, and what no collector received. Counts begin with the collectors.`,
		Example: `  kubectl flowfleet exporters describe 192.0.2.1 -n flows
  kubectl flowfleet exporters describe 2001:db8::1 edge -o yaml`,
		Args: addressAndFleet,
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), c, args[0], fleetName(args[1:]), command.OutOrStdout())
		},
		ValidArgsFunction: func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 { // an address, which is not asked for here
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.completeFleet(command, args[1:], typed)
		},
	}
	command.Flags().StringVarP(&flags.output, "output", "o", "", "json or yaml")
	command.Flags().DurationVar(&flags.interval, "interval", 2*time.Second, "the time between the two looks; 0 looks once, and knows no rates")
	return command
}

func (flags *describeFlags) run(ctx context.Context, c connection, text, name string, out io.Writer) error {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("%q: an address such as 192.0.2.1 is needed", text)
	}
	address = address.WithZone("") // no collector knows its zone
	if !slices.Contains([]string{"", "json", "yaml"}, flags.output) {
		return fmt.Errorf("--output %q: json or yaml is needed", flags.output)
	}
	v, err := c.open(ctx, name)
	if err != nil {
		return err
	}
	objects, err := v.FlowExporters(ctx, v.fleet, address)
	if err != nil {
		return err
	}
	before, now, missing, err := v.twice(ctx, flags.interval)
	if err != nil {
		return err
	}
	one, heard := exporters.Find(address, before, now)
	if !heard && len(objects) == 0 {
		if len(missing) > 0 {
			return errors.Join(missing...)
		}
		return fmt.Errorf("no collector of %s has heard %s since it started, and there is no FlowExporter of it: \"kubectl flowfleet exporters %s -n %s\" lists "+
			"those that were heard", v.fleet.Name, one.Address, v.fleet.Name, v.fleet.Namespace)
	}
	d := describe(one, objects, v.collectors)
	if flags.output == "" {
		err = printDescribed(out, v.fleet, &d, time.Now())
	} else {
		err = printData(out, d, flags.output)
	}
	return errors.Join(append([]error{err}, missing...)...)
}

// describe puts together what is printed. Its lists are lists for programs, too, where they are empty.
func describe(one exporters.One, objects []v1alpha1.FlowExporter, collectors []fleet.Collector) described {
	one.Protocols, one.Collectors = append([]exporters.Row{}, one.Protocols...), append([]exporters.Heard{}, one.Collectors...)
	return described{One: one, Objects: append([]v1alpha1.FlowExporter{}, objects...), nodes: nodesOf(collectors)}
}

func nodesOf(collectors []fleet.Collector) map[string]string {
	nodes := make(map[string]string, len(collectors))
	for _, one := range collectors {
		nodes[one.Pod] = one.Node
	}
	return nodes
}

// mostStreams is how many are printed: a device may have one for each of its line cards, or of ports that change.
const mostStreams = 50

func printDescribed(out io.Writer, f *v1alpha1.FlowCollector, d *described, now time.Time) error {
	w := tabwriter.NewWriter(forTerminal(out), 0, 0, 2, ' ', 0)
	line := func(format string, arguments ...any) { _, _ = fmt.Fprintf(w, format+"\n", arguments...) } // Flush reports errors
	line("Exporter\t%s", d.Address)
	line("Fleet\t%s/%s", f.Namespace, f.Name)
	if len(d.Objects) == 0 {
		line("FlowExporter\tnone, so that nobody judges it: see exporters.objects of the FlowCollector")
	}
	for i := range d.Objects {
		if i > 0 {
			line("")
		}
		printObject(line, &d.Objects[i], now)
	}
	if len(d.Protocols) == 0 {
		line("\nNo collector has heard it since it started.")
		return w.Flush()
	}
	line("\nPROTOCOL\tRECORDS/S\tRECORDS\tSENT\tMISSED\tLOSS\tWAITING\tRESTARTS\tNAMED\tLAST HEARD")
	for i := range d.Protocols {
		r := &d.Protocols[i]
		line("%s\t%s\t%d\t%d\t%d\t%s\t%d\t%d\t%s\t%s", r.Protocol, rateText(r.RecordsPerSecond), r.Records, r.Sent, r.Missed, lossText(r), r.Waiting,
			r.Restarts, namedText(r.Naming), ago(r.LastSeen, now))
	}
	line("\nNODE\tCOLLECTOR\tPROTOCOL\tDATAGRAMS\tRECORDS\tREFUSED\tSETS LOST\tWAITING")
	for _, h := range d.Collectors {
		line("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d", orDash(d.nodes[h.Collector]), h.Collector, h.Protocol, h.Datagrams, h.Records, h.Refused, h.Lost, h.Waiting)
	}
	if len(d.Undecoded) > 0 {
		line("\nNOT DECODED\tREASON\tPROTOCOL\tCOUNT")
		for _, u := range d.Undecoded {
			line("%s\t%s\t%s\t%d", u.What, u.Reason, u.Protocol, u.Count)
		}
	}
	if len(d.Streams) > 0 {
		line("\nPORT\tDOMAIN\tPROTOCOL\tSENT\tMISSED\tRESTARTS\tLAST HEARD")
		for _, s := range d.Streams[:min(len(d.Streams), mostStreams)] {
			line("%d\t%d\t%s\t%d\t%d\t%d\t%s", s.Port, s.Domain, s.Protocol, s.Sent, s.Missed, s.Restarts, ago(s.LastSeen, now))
		}
		if more := len(d.Streams) - mostStreams; more > 0 {
			line("and %d more: -o json has all", more)
		}
	}
	return w.Flush()
}

// printObject prints what the operator says of a device.
func printObject(line func(string, ...any), e *v1alpha1.FlowExporter, now time.Time) {
	s := &e.Status
	line("FlowExporter\t%s", e.Name)
	optional := func(label, text string) {
		if text = status.Text(text); text != "" { // whoever may make a FlowExporter may name it
			line("%s\t%s", label, text)
		}
	}
	optional("Display name", e.Spec.DisplayName)
	if ready := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); ready != nil {
		line("Ready\t%s\t%s", ready.Status, ready.Message)
	}
	if s.Device != nil {
		optional("Device", s.Device.Name)
		optional("Software", s.Device.Software)
	}
	if s.Sampling != nil {
		optional("Sampling", s.Sampling.Text)
	}
	if s.Templates != nil {
		changed := ""
		if s.TemplatesChanged != nil {
			changed = ", changed " + ago(s.TemplatesChanged.Time, now) + " ago"
		}
		line("Templates\t%d%s", *s.Templates, changed)
	}
	optional("Clock skew", s.ClockSkew)
	optional("Loss", s.Loss)
	if attention := verify.Attention(s.Conditions); len(attention) > 0 {
		line("\nWANTS ATTENTION\tSTATUS\tREASON\tMESSAGE")
		for _, c := range attention {
			line("%s\t%s\t%s\t%s", c.Type, c.Status, c.Reason, c.Message)
		}
	}
}
