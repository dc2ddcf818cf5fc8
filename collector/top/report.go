package top

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Row is a key with its volume.
type Row struct {
	Key string `json:"key"`
	Volume
}

// Report is what weighed most between two times.
type Report struct {
	By   string    `json:"by"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Rows are the heaviest keys, Rest all others together.
	Rows []Row  `json:"rows"`
	Rest Volume `json:"rest"`
	// Total counts each flow once, Keyed each of its keys: none where a flow has no such thing, two where it has two interfaces.
	Total Volume `json:"total"`
	Keyed Volume `json:"keyed"`
	// Keyless is how many flows have no such thing.
	Keyless uint64 `json:"keyless,omitempty"`
	// Keys is how many there are; AtLeast that it is so many or more.
	Keys    int  `json:"keys"`
	AtLeast bool `json:"atLeast,omitempty"`
	// Unmatched is how many flows of the time were left out, since they are none of those that were asked for.
	Unmatched uint64 `json:"unmatched,omitempty"`
	// Behind is how many messages of the stream are not read yet.
	Behind uint64 `json:"behind,omitempty"`
}

// Seconds is how long the report's time is, at least 1.
func (r *Report) Seconds() float64 { return max(r.To.Sub(r.From).Seconds(), 1) }

// BitsPerSecond and PacketsPerSecond are means over the report's time.
func (r *Report) BitsPerSecond(v Volume) float64 { return float64(v.Bytes) * 8 / r.Seconds() }

// PacketsPerSecond is a mean over the report's time.
func (r *Report) PacketsPerSecond(v Volume) float64 { return float64(v.Packets) / r.Seconds() }

// FlowsPerSecond is a mean over the report's time.
func (r *Report) FlowsPerSecond(v Volume) float64 { return float64(v.Flows) / r.Seconds() }

// Summary is one line on all flows of the report.
func (r *Report) Summary() string {
	text := fmt.Sprintf("%s bit/s, %s packets/s, %s flows/s over %.0f s", SI(r.BitsPerSecond(r.Total)), SI(r.PacketsPerSecond(r.Total)),
		SI(r.FlowsPerSecond(r.Total)), r.Seconds())
	if r.Behind > 0 {
		text += fmt.Sprintf("; %d messages are not read yet", r.Behind)
	}
	return text
}

// Notes are what a reader of the rows has to know, if anything.
func (r *Report) Notes() (notes []string) {
	if r.Total.Unscaled > 0 {
		notes = append(notes, fmt.Sprintf("* %s of the flows have no sampling rate: their volume is as exported", percent(r.Total.Unscaled, r.Total.Flows)))
	}
	// Collectors of before do not say it; of flows with two keys each, others without one cannot be told by the sums.
	if missing := max(r.Keyless, r.Total.Flows-min(r.Keyed.Flows, r.Total.Flows)); missing > 0 {
		notes = append(notes, fmt.Sprintf("%s of the flows say nothing of this", percent(missing, r.Total.Flows)))
	}
	return notes
}

// Share of a volume's bytes in those of all rows, of 0 to 1.
func (r *Report) Share(v Volume) float64 {
	if r.Keyed.Bytes == 0 {
		return 0
	}
	return float64(v.Bytes) / float64(r.Keyed.Bytes)
}

// Nothing says why a report has no flows: none came, or none of those that came was asked for.
func (r *Report) Nothing() string {
	if r.Unmatched > 0 {
		return fmt.Sprintf("none of the %d flows of the last %.0f s matches --exporter, --network, --port or --interface as they were typed", r.Unmatched, r.Seconds())
	}
	return fmt.Sprintf("no flows in the last %.0f s", r.Seconds())
}

// Print writes a report as a table.
func (r *Report) Print(out io.Writer, title string) error {
	if r.Total.Flows == 0 {
		_, err := fmt.Fprintln(out, r.Nothing())
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s\n\n%s\tBIT/S\tPACKETS/S\tFLOWS/S\tSHARE\n", r.Summary(), title) // Flush reports errors
	line := func(key string, v Volume) {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f%%\n", key, Mark(SI(r.BitsPerSecond(v)), v), SI(r.PacketsPerSecond(v)), SI(r.FlowsPerSecond(v)), 100*r.Share(v))
	}
	for _, row := range r.Rows {
		line(row.Key, row.Volume)
	}
	if r.Rest.Flows > 0 {
		line(r.Others(), r.Rest)
	}
	for _, note := range r.Notes() {
		_, _ = fmt.Fprintln(w, note)
	}
	return w.Flush()
}

// Others is the key of the rest.
func (r *Report) Others() string {
	if r.AtLeast {
		return fmt.Sprintf("(%d others or more)", r.Keys-len(r.Rows))
	}
	return fmt.Sprintf("(%d others)", r.Keys-len(r.Rows))
}

// Mark puts a star to the text of a volume that is not all scaled.
func Mark(text string, v Volume) string {
	if v.Unscaled > 0 {
		return text + "*"
	}
	return text
}

func percent(part, of uint64) string {
	share := 100 * float64(part) / float64(max(of, 1))
	if share < 1 {
		return "less than 1%"
	}
	return fmt.Sprintf("%.0f%%", share)
}

// SI writes a figure with three digits and a prefix of the International System of Units: 1.23 M.
func SI(v float64) string {
	for _, prefix := range []string{"", " k", " M", " G", " T", " P"} {
		switch {
		case v < 9.995:
			if prefix == "" && v == float64(int(v)) {
				return fmt.Sprintf("%.0f", v)
			}
			return fmt.Sprintf("%.2f%s", v, prefix)
		case v < 99.95:
			return fmt.Sprintf("%.1f%s", v, prefix)
		case v < 999.5:
			return fmt.Sprintf("%.0f%s", v, prefix)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.0f E", v)
}
