package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// checker gathers problems.
type checker struct {
	problems []Problem
}

func (k *checker) that(ok bool, path, format string, args ...any) {
	if !ok {
		k.problems = append(k.problems, Problem{path, fmt.Sprintf(format, args...)})
	}
}

func oneOf[T ~string | ~int](c *checker, path string, v T, allowed ...T) {
	if slices.Contains(allowed, v) {
		return
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = fmt.Sprint(a)
	}
	given := fmt.Sprint(v)
	if reflect.TypeFor[T]().Kind() == reflect.String {
		given = strconv.Quote(given)
	}
	c.that(false, path, "%s is not one of %s", given, strings.Join(words, ", "))
}

func within[T ~int | ~int64 | ~uint32](c *checker, path string, v, least, most T) {
	c.that(v >= least && v <= most, path, "%v is out of bounds: %v to %v", v, least, most)
}

var (
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	bucketName = regexp.MustCompile(`^[-_a-zA-Z0-9]{1,128}$`)
	visible    = regexp.MustCompile(`^[!-~]{1,253}$`)
)

// Check reports all problems of a configuration whose defaults are filled in. It reads no files.
func (c *Config) Check() []Problem {
	k := &checker{}
	k.that(dnsLabel.MatchString(c.Name), "name", "%q is not a DNS label (lower-case letters, digits and '-')", c.Name)
	k.that(dnsLabel.MatchString(c.Namespace), "namespace", "%q is not a DNS label (lower-case letters, digits and '-')",
		c.Namespace)
	k.that(visible.MatchString(c.Instance), "instance", "%q is not a name of 1 to 253 ASCII characters without blanks",
		c.Instance)
	k.listeners(c.Listeners)
	k.exporters(&c.Exporters)
	k.names(c)
	onlyBucket := c.Output.Kind != OutputJetStream
	k.nats("nats", &c.NATS, c.needsNATS() && !onlyBucket)
	k.that(len(c.NATS.URLs) > 0 || c.NATS.Embedded != nil || !c.needsNATS() || !onlyBucket, "nats.urls",
		"the template bucket is there: name a server, such as nats://nats:4222, use nats.embedded, or do without (templateStore.disabled: true)")
	k.templates(c)
	k.output(c)
	k.embedded(c)
	k.service(&c.HTTP, &c.Log)
	within(k, "drainTime", c.DrainTime, 0, Duration(10*time.Minute))
	return k.problems
}

// CheckService reports the problems of what files of all services have: of the sections nats, http and log.
func CheckService(n *NATS, h *HTTP, l *Log) []Problem {
	k := &checker{}
	k.nats("nats", n, true)
	k.that(n.Embedded == nil, "nats.embedded", "it is for collectors; name the server in nats.urls")
	k.service(h, l)
	return k.problems
}

func (k *checker) service(h *HTTP, l *Log) {
	if h.Address != "-" {
		k.address("http.address", h.Address)
	}
	within(k, "http.maxConnections", h.MaxConnections, 1, 65536)
	oneOf(k, "log.level", l.Level, "debug", "info", "warn", "error")
	oneOf(k, "log.format", l.Format, "json", "text")
}

// needsNATS reports whether something uses the file's own nats section.
func (c *Config) needsNATS() bool {
	return !c.Templates.Disabled && c.Templates.NATS == nil || c.Output.Kind == OutputJetStream && c.Output.NATS == nil
}

func (k *checker) listeners(listeners []Listener) {
	names, bound := make(map[string]int), make(map[int]binding)
	for i, l := range listeners {
		path := fmt.Sprintf("listeners[%d]", i)
		k.that(dnsLabel.MatchString(l.Name), path+".name", "%q is not a DNS label (lower-case letters, digits and '-')", l.Name)
		if other, ok := names[l.Name]; ok {
			k.that(false, path+".name", "%q is the name of listeners[%d] too", l.Name, other)
		}
		names[l.Name] = i
		if l.Address == "" {
			k.that(false, path+".address", "it is required, such as \":2055\"")
		} else if b, ok := k.address(path+".address", l.Address); ok {
			for j := range i {
				if other, ok := bound[j]; ok && b.overlaps(other) {
					k.that(false, path+".address", "%q cannot be bound beside %q of listeners[%d]: choose another port",
						l.Address, listeners[j].Address, j)
					break
				}
			}
			bound[i] = b
		}
		oneOf(k, path+".protocol", l.Protocol, ProtocolAuto, ProtocolNetFlow, ProtocolIPFIX, ProtocolSFlow)
		within(k, path+".workers", l.Workers, 1, 256)
		within(k, path+".sockets", l.Sockets, 0, 64)
		within(k, path+".receiveBuffer", l.ReceiveBuffer, 64<<10, 1<<30)
	}
}

func (k *checker) exporters(e *Exporters) {
	for i, p := range e.AllowedNetworks {
		k.that(p.IsValid(), fmt.Sprintf("exporters.allowedNetworks[%d]", i), "it is not a network such as 10.0.0.0/8")
	}
	oneOf(k, "exporters.templateScope", e.TemplateScope, ScopeAuto, ScopeAddress, ScopeAddressPort)
	k.rates("exporters.sampling.defaults", e.Sampling.Defaults)
	k.rates("exporters.sampling.overrides", e.Sampling.Overrides)
	k.devices(e.Devices)
	l := &e.Limits
	within(k, "exporters.limits.exporters", l.Exporters, 1, 1<<24)
	within(k, "exporters.limits.templatesPerExporter", l.TemplatesPerExporter, 1, 65280)
	within(k, "exporters.limits.fieldsPerTemplate", l.FieldsPerTemplate, 1, 16384)
	within(k, "exporters.limits.samplesPerDatagram", l.SamplesPerDatagram, 1, 65536)
	within(k, "exporters.limits.exporterMetrics", l.ExporterMetrics, 0, 1<<20)
	within(k, "exporters.heldData.maxBytes", e.Held.MaxBytes, 0, 1<<40)
	within(k, "exporters.heldData.maxBytesPerExporter", e.Held.MaxBytesPerExporter, 0, 1<<40)
	within(k, "exporters.heldData.maxAge", e.Held.MaxAge, Duration(time.Second), Duration(24*time.Hour))
}

func (k *checker) rates(path string, rates []NetworkRate) {
	seen := make(map[netip.Prefix]int)
	for i, r := range rates {
		at := fmt.Sprintf("%s[%d]", path, i)
		k.that(r.Rate >= 1, at+".rate", "it is at least 1: one of so many packets is sampled")
		if !r.Network.IsValid() {
			k.that(false, at+".network", "it is required, such as 10.0.0.0/8")
			continue
		}
		network := r.Network.Masked()
		if other, ok := seen[network]; ok {
			k.that(false, at+".network", "%s stands in %s[%d] too: keep one", network, path, other)
			continue
		}
		seen[network] = i
	}
}

func (k *checker) templates(c *Config) {
	t := &c.Templates
	k.that(bucketName.MatchString(t.Bucket), "templateStore.bucket", "%q is not a name of letters, digits, '-' and '_'", t.Bucket)
	namespace, name, _ := strings.Cut(t.Owner, "/")
	k.that(t.Owner == "" || dnsLabel.MatchString(namespace) && dnsLabel.MatchString(name), "templateStore.owner",
		"%q is not namespace/name of a FlowCollector", t.Owner)
	within(k, "templateStore.history", t.History, 1, 64)
	if t.TTL != 0 {
		within(k, "templateStore.ttl", t.TTL, Duration(10*time.Minute), Duration(366*24*time.Hour))
	}
	oneOf(k, "templateStore.replicas", t.Replicas, 1, 3, 5)
	oneOf(k, "templateStore.storage", t.Storage, StorageFile, StorageMemory)
	k.that(t.MaxBytes == 0 || t.MaxBytes == -1 || t.MaxBytes >= 1<<20, "templateStore.maxBytes", "%s is less than 1Mi; -1 is no limit", t.MaxBytes)
	within(k, "templateStore.loadTimeout", t.LoadTimeout, Duration(time.Second), Duration(time.Hour))
	if t.NATS != nil {
		k.nats("templateStore.nats", t.NATS, !t.Disabled)
	}
}

// maxBatch leaves room for headers within the 1 MiB that NATS accepts by default.
const maxBatch = 900 << 10

func (k *checker) output(c *Config) {
	o := &c.Output
	oneOf(k, "output.kind", o.Kind, OutputJetStream, OutputStdout, OutputFile, OutputNone)
	oneOf(k, "output.encoding", o.Encoding, EncodingProtobuf, EncodingJSON)
	k.that(!o.ScaledVolumes || o.Encoding == EncodingJSON, "output.scaledVolumes", "it is for output.encoding JSON only")
	oneOf(k, "output.ledger", o.Ledger, LedgerNone, LedgerMinutes)
	k.that(o.Ledger != LedgerMinutes || o.Kind == OutputJetStream, "output.ledger", "Minutes is for output.kind JetStream only")
	oneOf(k, "output.names", o.Names, NameRecordsNone, NameRecordsChanges)
	k.that(o.Names != NameRecordsChanges || o.Kind == OutputJetStream, "output.names", "Changes is for output.kind JetStream only")
	k.that(o.Names != NameRecordsChanges || len(c.Decoding.Names) > 0, "output.names",
		"Changes needs names that collectors learn: list some in decoding.names, or set None")
	k.that(o.Kind != OutputFile || o.File != "", "output.file", "it is required for kind File")
	within(k, "output.batch.maxBytes", o.Batch.MaxBytes, 1<<10, maxBatch)
	within(k, "output.batch.maxAge", o.Batch.MaxAge, Duration(time.Millisecond), Duration(time.Minute))
	least := min(max(o.Batch.MaxBytes, 1<<10), maxBatch) // at least a batch, or what would be allowed as one
	within(k, "output.buffer.maxBytes", o.Buffer.MaxBytes, least, 1<<40)
	within(k, "output.buffer.inFlightBytes", o.Buffer.InFlightBytes, least, 1<<40)
	oneOf(k, "output.buffer.policy", o.Buffer.Policy, DropOldest, DropNewest, Block)
	if s := o.Buffer.Spool; s != nil {
		k.that(o.Kind == OutputJetStream, "output.buffer.spool", "it is for output.kind JetStream only")
		k.that(s.Directory != "", "output.buffer.spool.directory", "it is required: where batches are kept")
		within(k, "output.buffer.spool.maxBytes", s.MaxBytes, 64<<20, 1<<44)
		within(k, "output.buffer.spool.after", s.After, Duration(100*time.Millisecond), Duration(time.Hour))
		within(k, "output.buffer.spool.resendBytesPerSecond", s.ResendBytesPerSecond, 1<<20, 1<<40)
	}
	if o.NATS != nil {
		k.nats("output.nats", o.NATS, o.Kind == OutputJetStream)
	}
	s := &o.Stream
	k.that(bucketName.MatchString(s.Name), "output.stream.name", "%q is not a name of letters, digits, '-' and '_'", s.Name)
	oneOf(k, "output.stream.replicas", s.Replicas, 1, 3, 5)
	oneOf(k, "output.stream.retention", s.Retention, RetentionLimits, RetentionInterest, RetentionWorkQueue)
	oneOf(k, "output.stream.storage", s.Storage, StorageFile, StorageMemory)
	k.that(s.MaxBytes == 0 || s.MaxBytes == -1 || s.MaxBytes >= 1<<20, "output.stream.maxBytes", "%s is less than 1Mi; -1 is no limit", s.MaxBytes)
	oneOf(k, "output.stream.compression", cmp.Or(s.Compression, CompressionNone), CompressionNone, CompressionS2)
	oneOf(k, "output.stream.discard", cmp.Or(s.Discard, DiscardOld), DiscardOld, DiscardNew)
	age := cmp.Or(s.MaxAge, StandardStreamAge)
	window := cmp.Or(s.DuplicateWindow, min(StandardDuplicateWindow, age))
	within(k, "output.stream.duplicateWindow", window, Duration(100*time.Millisecond), Duration(time.Hour))
	k.that(window <= age, "output.stream.duplicateWindow", "%s is longer than maxAge, %s, which JetStream refuses", window, age)
	within(k, "output.stream.maxAge", age, Duration(time.Minute), Duration(10*366*24*time.Hour))
	k.subjects(o)
}
