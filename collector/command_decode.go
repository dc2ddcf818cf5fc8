package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/capture"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/run"
	"github.com/flowfleet/flowfleet/collector/template"
)

type decodeFlags struct {
	protocol, scope     string
	standIns, allFields bool
	biflows             bool
	innerHeaders        bool
	names               []string
	options, counters   bool
	quiet               bool
}

func newDecodeCommand() *cobra.Command {
	var flags decodeFlags
	command := &cobra.Command{
		Use:   "decode CAPTURE...",
		Short: "Decode packet captures to JSON lines",
		Long: `decode reads pcap and pcapng files, also gzip'ed ones ("-" for the standard input), as one stream: what one file
teaches holds for the next. Each flow goes to the standard output as a line of JSON with goflow2's names. A summary with
all counters goes to the standard error, after what could not be decoded, with file, frame, exporter and reason. Faults in
a capture do not stop the rest and do not change the exit status; files that cannot be opened do.

Flows carry the names that options tables, and tables sent as data, gave before: interfaces, applications and others. --options
prints the records of options tables too, as lines of type OPTIONS. What a capture says late names the flows before it when the
capture is given twice. With --all-fields, vendors' elements that no public list has get the names and types that the exporter
gave them before (RFC 5610).

--counters prints sFlow's counter samples, as lines of type COUNTERS: interfaces, hosts and others, with sFlow.org's names. The highest
number of a field's bits is what an agent cannot count. A structure that is not known here is hexadecimal digits.

Files are read twice: what an exporter says late of the time from which its uptimes count holds for the flows before it too.
A pipe and the standard input are read once.

UDP datagrams of all ports are looked at, also those within IP in IP, GRE, ERSPAN, VXLAN and Geneve; their protocol is told
by their version. IPFIX is read over TCP and SCTP, too. The summary says what else the frames carry.

Files without frames are read as well: IPFIX files (RFC 5655), which have one message behind the other, and the payload of a
single datagram. Their exporter is 0.0.0.0, and what they carry was received when it was exported; sFlow, which does not say
when that was, when the file was saved.`,
		Example: `  collector decode router.pcap | jq .src_addr
  collector decode --protocol ipfix --all-fields monday.pcapng.gz tuesday.pcapng.gz`,
		Args: arguments(1, -1, "a capture"),
		RunE: func(command *cobra.Command, args []string) error {
			return decodeCaptures(args, flags, command.OutOrStdout(), command.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&flags.protocol, "protocol", "auto", "expect one protocol: auto, netflow, ipfix or sflow")
	command.Flags().StringVar(&flags.scope, "template-scope", "Auto", "whose templates hold: Auto, Address or AddressPort")
	command.Flags().BoolVar(&flags.standIns, "stand-in-counters", false,
		"where a template has no delta counts, take bytes and packets from its total, initiator or other counts, as run does")
	command.Flags().BoolVar(&flags.allFields, "all-fields", false, `add fields that FlowMessage has no place for, as "fields"`)
	command.Flags().BoolVar(&flags.biflows, "biflows", false, "make two flows of a record that counts both directions")
	command.Flags().BoolVar(&flags.innerHeaders, "inner-headers", false, "report what is inside tunnels in sampled packets")
	command.Flags().StringSliceVar(&flags.names, "names", wordsOf(config.StandardNames()), "names that flows carry: "+
		strings.Join(wordsOf(config.AllNames()), ", ")+", or none")
	command.Flags().BoolVar(&flags.options, "options", false, "print the records of options tables too")
	command.Flags().BoolVar(&flags.counters, "counters", false, "print sFlow's counter samples too")
	command.Flags().BoolVarP(&flags.quiet, "quiet", "q", false, "no summary")
	return command
}

// jsonSink writes each record as a line.
type jsonSink struct {
	out      *bufio.Writer
	buffer   []byte
	elements *run.Elements
	err      error
}

func (s *jsonSink) Record(r *flow.Record) {
	if s.err != nil {
		return
	}
	s.buffer = append(r.AppendJSON(s.buffer[:0], s.elements.ExtraJSON), '\n')
	_, s.err = s.out.Write(s.buffer)
}

// maxHeldOfCapture bounds what waits for its template while captures are read.
const maxHeldOfCapture = 256 << 20

func decodeCaptures(paths []string, flags decodeFlags, out, messages io.Writer) error {
	protocol, err := parseProtocol(flags.protocol)
	if err != nil {
		return err
	}
	mode, err := parseScope(flags.scope)
	if err != nil {
		return err
	}
	names, err := parseNames(flags.names)
	if err != nil {
		return err
	}
	unread := 0
	reader := capture.NewReader(paths, func(p capture.Problem) {
		if p.Frame == 0 {
			unread++
			fmt.Fprintf(messages, "%s: %s\n", p.File, p.Reason)
			return
		}
		fmt.Fprintf(messages, "%s: frame %d: %s\n", p.File, p.Frame, p.Reason)
	})
	defer func() { _ = reader.Close() }() // it was only read

	limits := config.Default().Exporters.Limits
	var totals ledger.Totals
	var counts ledger.Counts
	templateLimits := template.Limits{
		Exporters: limits.Exporters,
		Templates: limits.TemplatesPerExporter,
		Fields:    limits.FieldsPerTemplate,
		Bytes:     template.BytesFor(limits.Exporters),
	}
	store := template.NewStore(mode, templateLimits, &totals, nil)
	settings := &decode.Settings{
		Settings: netflow.Settings{
			Hold:                 true,
			HeldBytes:            maxHeldOfCapture,
			HeldBytesPerExporter: maxHeldOfCapture,
			HeldAge:              1 << 62, // a capture's own time says nothing about patience
			Sessions:             limits.Exporters,
			StandInCounters:      flags.standIns,
			Extra:                flags.allFields,
			Biflows:              flags.biflows,
			Inner:                flags.innerHeaders,
			Names:                names != 0 || flags.allFields,
		},
		Names:      names,
		MaxSamples: limits.SamplesPerDatagram,
	}
	shared := taught(mode, limits.Exporters, &totals)
	sink := &jsonSink{out: bufio.NewWriterSize(out, 1<<16), elements: run.NewElements(shared.Names)}
	var places places
	decoder := decode.New(protocol, store, settings, &counts, sink, func(p decode.Problem) {
		fmt.Fprintf(messages, "%s: exporter %s: %s\n", places.name(p.Tag), p.Source, describe(p))
	})
	if flags.options {
		decoder.ShowOptions(sink.options)
	}
	if flags.counters {
		decoder.ShowCounters(sink.counters)
	}
	clocksOf(paths, protocol, mode, templateLimits, settings).restore(shared.Clocks)
	decoder.Share(shared)
	for sink.err == nil {
		datagram, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		now := datagram.Time.UnixNano()
		decoder.Decode(decode.Datagram{
			Payload:  datagram.Payload,
			Source:   datagram.Source,
			Received: now,
			Tag:      places.tag(datagram.File, datagram.Frame),
		})
		decoder.Tick(now)
	}
	decoder.Close()
	counts.MoveTo(&totals)
	if err := errors.Join(sink.err, sink.out.Flush()); err != nil {
		return fmt.Errorf("writing flows: %w", err)
	}
	if !flags.quiet {
		summarize(messages, reader.Stats(), totals.Load())
	}
	if unread > 0 {
		return fmt.Errorf("%d of %d captures could not be read", unread, len(paths))
	}
	return nil
}

// places turns file and frame into a tag and back.
type places struct {
	files []string
}

const frameBits = 40

func (p *places) tag(file string, frame int) uint64 {
	if len(p.files) == 0 || p.files[len(p.files)-1] != file {
		p.files = append(p.files, file)
	}
	return uint64(len(p.files)-1)<<frameBits | uint64(frame)
}

func (p *places) name(tag uint64) string {
	return fmt.Sprintf("%s: frame %d", p.files[tag>>frameBits], tag&(1<<frameBits-1))
}

// words are the reasons that the counters' names do not make plain to somebody who looks at a capture.
var words = map[ledger.Counter]string{
	ledger.RefusedTooShort:         "datagram refused: it is shorter than a header",
	ledger.RefusedVersion:          "datagram refused: no version of NetFlow, IPFIX or sFlow that is known here",
	ledger.RefusedProtocol:         "datagram refused: it is of another protocol than --protocol asks for",
	ledger.RefusedHeader:           "datagram refused: its header contradicts it",
	ledger.DatagramsTruncated:      "datagram cut short: its lengths promise more",
	ledger.DatagramsTrailing:       "it carries more than its lengths promise",
	ledger.SetsExpiredShutdown:     "data set not decoded: its template is in none of the captures",
	ledger.SetsExpiredRestart:      "data set not decoded: its exporter restarted before a template came",
	ledger.SetsExpiredOverflow:     "data set not decoded: too many wait for their templates",
	ledger.SetsDroppedNoTemplate:   "data set not decoded: its template is not known",
	ledger.SetsDroppedMalformed:    "set not decoded: its length contradicts the datagram",
	ledger.SetsDroppedReserved:     "set not decoded: its id is reserved",
	ledger.RecordsTruncated:        "the end of the set is no whole record",
	ledger.TemplatesRefusedLimit:   "template refused: it is too large",
	ledger.TemplatesRefusedInvalid: "template refused",
}

// describe says what a Problem is about.
func describe(p decode.Problem) string {
	text := words[p.Reason]
	if text == "" {
		info := ledger.Infos[p.Reason]
		text = strings.ReplaceAll(info.Metric, "_", " ")
		if info.Reason != "" {
			text += ": " + strings.ReplaceAll(info.Reason, "_", " ")
		}
	}
	if p.Set != 0 {
		text += fmt.Sprintf(" (domain %d, set %d)", p.Domain, p.Set)
	}
	if p.Err != nil {
		text += ": " + p.Err.Error()
	}
	return text
}

func summarize(out io.Writer, read capture.Stats, counts ledger.Counts) {
	fmt.Fprintf(out, "frames %d, datagrams %d, frames without one %d, faults of the capture %d\n",
		read.Frames, read.Datagrams, read.Skipped, read.Problems)
	for _, kind := range slices.Sorted(maps.Keys(read.Passed)) {
		fmt.Fprintf(out, "%-44s %d\n", "passed over: "+kind, read.Passed[kind])
	}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		name := ledger.Infos[i].Metric
		if reason := ledger.Infos[i].Reason; reason != "" {
			name += "{" + reason + "}"
		}
		fmt.Fprintf(out, "%-44s %d\n", name, n)
	}
}

func parseProtocol(name string) (config.Protocol, error) {
	for _, p := range []config.Protocol{config.ProtocolAuto, config.ProtocolNetFlow, config.ProtocolIPFIX, config.ProtocolSFlow} {
		if strings.EqualFold(name, string(p)) {
			return p, nil
		}
	}
	return "", fmt.Errorf("--protocol %q: it is auto, netflow, ipfix or sflow", name)
}

func parseScope(name string) (template.Mode, error) {
	for scope, mode := range run.TemplateModes {
		if strings.EqualFold(name, string(scope)) {
			return mode, nil
		}
	}
	return 0, fmt.Errorf("--template-scope %q: it is Auto, Address or AddressPort", name)
}
