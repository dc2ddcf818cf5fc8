package sizing

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/template"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Manifest writes a FlowCollector of the name that fits a load, as kubectl takes it: what was reckoned with stands in its comments.
func Manifest(out io.Writer, name, server string, l Load) error {
	return manifest.Execute(out, struct {
		Name, Server string
		Load         Load
		Fleet        Fleet
	}{name, server, l, Reckon(l)})
}

// percent is a share in percent, rounded up: a node should not be planned for less than it gets.
func percent(share float64) float64 { return math.Ceil(100 * share) }

// people reads sizes, in the largest unit in which they have a digit before the point.
func people(size config.Size) string {
	value, unit := float64(size), 0
	for units := len("KMGT"); value >= 1024 && unit < units; unit++ {
		value /= 1024
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f bytes", value)
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[unit-1])
}

// manifest has no field whose default fits.
var manifest = template.Must(template.New("").Funcs(template.FuncMap{
	"people": people,
	"short":  func(d time.Duration) string { return config.Duration(d).Short() },
	"plural": func(n int, one, more string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, more)
	},
	"rate": func(v float64) string { // to three digits behind the point at the most
		return strconv.FormatFloat(math.Round(1000*v)/1000, 'f', -1, 64)
	},
	"servers": func(least, most float64) string {
		switch low, high := fmt.Sprintf("%.1f", least), fmt.Sprintf("%.1f", most); {
		case high == "0.0":
			return "less than 0.1"
		case low == high:
			return high
		default:
			return low + " to " + high
		}
	},
	"percent": percent,
	"long":    func(n int) bool { return n > config.Default().Exporters.Limits.Exporters },
	"many":    func(n int) bool { return n > config.Default().Exporters.Limits.ExporterMetrics },
	"larger":  func(s config.Size) bool { return s > config.StandardBucketBytes },
	"more":    func(s config.Size) config.Size { return s + 1<<30 }, // the pod's logs
	"times":   func(s config.Size, n int) config.Size { return s * config.Size(n) },
}).Parse(`# For {{plural .Load.Exporters "exporter" "exporters"}} with {{plural .Load.TemplatesPerExporter "template" "templates"}} each, {{printf "%.0f" .Load.FlowsPerSecond}} flows/s in datagrams of {{rate .Load.FlowsPerDatagram}}, on {{plural .Load.Nodes "node" "nodes"}} with
# net.core.rmem_max = {{printf "%d" .Load.ReceiveLimit}}. An estimate from what was measured (docs/scaling.md): look at the conditions once flows come.
#
# Collector   {{if eq .Load.Nodes 1}}The only one gets all flows{{else}}The busiest gets about {{percent .Fleet.Share}}% of the flows while one node is away{{end}}, and takes {{printf "%.1f" .Fleet.CPU}} processors.
#             The request is at least twice that, so that half is free for bursts.
# Memory      The request is what it takes while all is well, the limit has room for full buffers.
# Bursts      {{.Fleet.Room}} datagrams of one exporter find room: sockets of each worker: {{.Fleet.Sockets}}.
# Stream      {{people .Fleet.StreamBytesPerDay}} a day, {{people .Fleet.StreamBytes}} for {{short .Load.Keep}} and a quarter more; times {{.Load.Replicas}} replicas {{people (times .Fleet.StreamBytes .Load.Replicas)}} of disk.
# Bucket      {{people .Fleet.BucketBytes}}, times {{.Load.Replicas}} replicas.
# NATS        The busiest server takes {{servers .Fleet.LeastServerCPU .Fleet.MostServerCPU}} processors{{if eq .Load.Replicas 5}} with 3 replicas; 5 were not measured{{end}}.
{{- range .Fleet.Warnings}}
# WARNING     {{.}}
{{- end}}
apiVersion: flowfleet.io/v1alpha1
kind: FlowCollector
metadata:
  name: {{.Name}}
spec:
  nats:
    urls: ["{{.Server}}"]
  listeners:
    - {name: netflow, protocol: Auto, port: 2055, workers: {{.Fleet.Workers}}, receiveBuffer: {{.Fleet.ReceiveBuffer}}}
    - {name: ipfix, protocol: Auto, port: 4739, workers: {{.Fleet.Workers}}, receiveBuffer: {{.Fleet.ReceiveBuffer}}}
    - {name: sflow, protocol: SFlow, port: 6343, workers: {{.Fleet.Workers}}, receiveBuffer: {{.Fleet.ReceiveBuffer}}}
  templateStore:
    replicas: {{.Load.Replicas}}
{{- if larger .Fleet.BucketBytes}}
    maxBytes: {{.Fleet.BucketBytes}}
{{- end}}
  output:
    stream:
      replicas: {{.Load.Replicas}}
      maxAge: {{short .Load.Keep}}
      maxBytes: {{.Fleet.StreamBytes}}
{{- if .Fleet.Spool}}
    buffer:
      spool: {maxBytes: {{.Fleet.Spool}}} # NATS away for {{short .Load.Away}}
{{- end}}
{{- if or (long .Fleet.LimitExporters) (many .Fleet.ExporterMetrics)}}
  exporters:
    limits:
{{- if long .Fleet.LimitExporters}}
      exporters: {{.Fleet.LimitExporters}}
{{- end}}
{{- if many .Fleet.ExporterMetrics}}
      exporterMetrics: {{.Fleet.ExporterMetrics}}
{{- end}}
{{- end}}
  collector:
    resources:
      requests:
        cpu: "{{printf "%.1f" .Fleet.CPURequest}}"
        memory: {{.Fleet.MemoryRequest}}
{{- if .Fleet.Spool}}
        ephemeral-storage: {{more .Fleet.Spool}}
{{- end}}
      limits:
        memory: {{.Fleet.MemoryLimit}}
`))
