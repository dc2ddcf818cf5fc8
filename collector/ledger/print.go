package ledger

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Print writes the books of collectors as tables: of listeners, outputs, exporters and streams, the latter two summed over the fleet.
func Print(out io.Writer, accounts []Account) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(columns ...any) { _, _ = fmt.Fprintln(w, strings.TrimSuffix(fmt.Sprintln(join(columns)), "\n")) } // Flush reports errors
	row("COLLECTOR", "LISTENER", "DATAGRAMS", "DECODED", "REFUSED", "KERNEL DROPS", "SETS", "DECODED", "WAITING", "LOST", "RECORDS")
	for i := range accounts {
		for _, l := range accounts[i].Listeners {
			row(accounts[i].Instance, l.Name, l.Datagrams.Received, l.Datagrams.Decoded, reasons(l.Datagrams.Refused),
				l.Datagrams.KernelDropped, l.Sets.Received, l.Sets.Decoded, l.Sets.Waiting,
				reasons(l.Sets.Expired, l.Sets.Dropped), l.Records.Decoded)
		}
	}
	row()
	row("COLLECTOR", "RECORDS", "RECOVERED", "PUBLISHED", "WAITING", "SPOOLED", "DROPPED")
	for i := range accounts {
		o := &accounts[i].Output
		row(accounts[i].Instance, o.Received, o.Recovered, o.Published, o.Waiting, o.Spooled, reasons(o.Dropped))
	}
	row()
	row("EXPORTER", "PROTOCOL", "DATAGRAMS", "DECODED", "REFUSED", "SETS", "DECODED", "WAITING", "LOST", "RECORDS")
	for _, e := range Exporters(accounts) {
		row(cmp.Or(e.Address, Unattributed), e.Protocol, e.Datagrams.Received, e.Datagrams.Decoded, reasons(e.Datagrams.Refused),
			e.Sets.Received, e.Sets.Decoded, e.Sets.Waiting, reasons(e.Sets.Expired, e.Sets.Dropped), e.Records)
	}
	row()
	row("EXPORTER", "PORT", "PROTOCOL", "DOMAIN", "SENT", "RECEIVED", "MISSED", "DUPLICATED", "RESTARTS", "LAST SEEN")
	for _, s := range Fleet(accounts) {
		row(s.Exporter, s.Port, s.Protocol, s.Domain, s.Length(), s.Units, int64(s.Missed()), s.Duplicated, s.Restarts,
			s.LastSeen.UTC().Format(time.RFC3339))
	}
	return w.Flush()
}

func join(columns []any) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = fmt.Sprint(c)
	}
	return strings.Join(parts, "\t")
}

// reasons is the sum of what was given up, with why.
func reasons(counts ...map[string]uint64) string {
	sum := uint64(0)
	var parts []string
	for _, m := range counts {
		for reason, n := range m {
			sum += n
			parts = append(parts, fmt.Sprintf("%s %d", reason, n))
		}
	}
	if sum == 0 {
		return "0"
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d (%s)", sum, strings.Join(parts, ", "))
}
