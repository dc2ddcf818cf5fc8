package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/capture"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/tap"
)

type captureFlags struct {
	request        tap.Request
	bytes          string
	output         string
	port           int
	untilInputEnds bool
}

func newCaptureCommand() *cobra.Command {
	var flags captureFlags
	command := &cobra.Command{
		Use:   "capture ADDRESS",
		Short: "Capture the raw datagrams of one exporter as a pcapng file",
		Long: `capture asks the collector of this pod, or of this machine, for the datagrams that come from one address, as they were received,
and writes them as a pcapng file, which Wireshark and "collector decode" read. It needs to be run by the collector's own user, or root.
A collector gives them to nobody over its ports; it logs and counts each capture.

Each packet has the time that its flows have, and the exporter's address and port. The other headers are made up; the destination is
0.0.0.0 where the listener is bound to all addresses. What comes is captured also where it is refused, as by exporters.allowedNetworks.

A capture ends after --for (up to 5m), --count datagrams or --max-bytes (up to 64Mi), or with an interrupt. Datagrams that it cannot
write fast enough are left out, and counted in the file's interface statistics. A collector has two captures at a time.`,
		Example: `  collector capture 192.0.2.1 --for 30s -o router.pcapng
  collector capture 192.0.2.1 --count 100 -o - | collector decode -`,
		Args: arguments(1, 1, "the address of an exporter"),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command, args[0])
		},
	}
	command.Flags().DurationVar(&flags.request.For, "for", 30*time.Second, "capture so long")
	command.Flags().IntVarP(&flags.request.Count, "count", "n", 0, "end after so many datagrams (default: as many as come)")
	command.Flags().StringVar(&flags.bytes, "max-bytes", "64Mi", "end with so many bytes")
	command.Flags().StringVarP(&flags.output, "output", "o", "-", "the file to write, which must not be there yet; - for the standard output, which must be no terminal")
	command.Flags().IntVar(&flags.port, "port", 0, "the port of the collector's http.address (default: that of this pod's collector, else 8080)")
	command.Flags().StringVar(&flags.request.By, "by", "", "who asks, for the collector's log")
	addUntilInputEnds(command, &flags.untilInputEnds)
	return command
}

func (flags *captureFlags) run(command *cobra.Command, address string) (err error) {
	request := flags.request
	if request.Address, err = netip.ParseAddr(address); err != nil {
		return misuse{fmt.Errorf("%q is not an address such as 192.0.2.1", address)}
	}
	var size config.Size
	if err := size.UnmarshalJSON([]byte(flags.bytes)); err != nil {
		return misuse{fmt.Errorf("--max-bytes %w", err)}
	}
	request.Bytes = int64(size)
	if err := request.Check(); err != nil {
		return misuse{err}
	}
	port := flags.port
	if port == 0 {
		_, own, err := net.SplitHostPort(ownAddress())
		if err == nil {
			port, err = strconv.Atoi(own)
		}
		if err != nil {
			return fmt.Errorf("the port of this pod's collector is not known: name it by --port: %w", err)
		}
	}
	if file, ok := command.OutOrStdout().(*os.File); ok && flags.output == "-" && term.IsTerminal(file.Fd()) {
		return misuse{errors.New("a capture is not for a terminal: name a file by --output")}
	}
	out := io.WriteCloser(nopCloser{command.OutOrStdout()})
	if flags.output != "-" {
		if out, err = os.OpenFile(flags.output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
	}
	asked, err := tap.Ask(command.Context(), port, request)
	if err != nil {
		if flags.output != "-" {
			err = errors.Join(err, os.Remove(flags.output))
		}
		return err
	}
	defer func() { _ = asked.Close() }() // it was read
	defer context.AfterFunc(command.Context(), asked.End)()
	if flags.untilInputEnds {
		endWith(command.InOrStdin(), asked.End)
	}
	statistics, err := flags.copy(out, asked)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("the capture is cut off: %w", err)
	}
	_, _ = fmt.Fprintln(command.ErrOrStderr(), capture.Summary(request.Address, statistics)) // the capture is written
	return nil
}

// copy writes what the collector sends, as it comes, and reads on its way how it ended.
func (flags *captureFlags) copy(out io.Writer, asked io.Reader) (*capture.Statistics, error) {
	live := capture.NewLive(io.TeeReader(asked, out), tap.MaxBytes+1<<20)
	err := live.Begin()
	for err == nil {
		_, err = live.Next()
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return live.Statistics(), nil
}

// nopCloser is for the standard output, which is not ours to close.
type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
