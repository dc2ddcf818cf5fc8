package config

import (
	"os"
	"runtime"
	"time"
)

// Default returns the configuration of an empty file.
func Default() *Config {
	c := &Config{}
	c.SetDefaults()
	return c
}

// Sizes of a bucket and of a stream whose maxBytes is left out, where the server has room for them.
const (
	StandardBucketBytes Size = 256 << 20
	StandardStreamBytes Size = 10 << 30
)

// What a stream gets when it is made and they are left out.
const (
	StandardStreamAge = Duration(24 * time.Hour)
	// StandardDuplicateWindow is longer than any retry while the server is there.
	StandardDuplicateWindow = Duration(2 * time.Minute)
)

// orDefault sets what is zero.
func orDefault[T comparable](v *T, standard T) {
	var zero T
	if *v == zero {
		*v = standard
	}
}

// maxDefaultWorkers is where more sockets for one port stop to pay.
const maxDefaultWorkers = 8

// SetDefaults fills in what the file leaves out.
func (c *Config) SetDefaults() {
	orDefault(&c.Name, "collector")
	orDefault(&c.Namespace, "default")
	if c.Instance == "" {
		if name, err := os.Hostname(); err == nil {
			c.Instance = name
		} else {
			c.Instance = "collector"
		}
	}
	if len(c.Listeners) == 0 {
		c.Listeners = []Listener{
			// IPFIX on 2055 and NetFlow v9 on 4739 are common: both take both.
			{Name: "netflow", Address: ":2055", Protocol: ProtocolAuto},
			{Name: "ipfix", Address: ":4739", Protocol: ProtocolAuto},
			{Name: "sflow", Address: ":6343", Protocol: ProtocolSFlow},
		}
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		orDefault(&l.Protocol, ProtocolAuto)
		orDefault(&l.Workers, min(runtime.GOMAXPROCS(0), maxDefaultWorkers))
		orDefault(&l.ReceiveBuffer, 32<<20)
	}
	e := &c.Exporters
	orDefault(&e.TemplateScope, ScopeAuto)
	orDefault(&e.Limits.Exporters, 65536)
	orDefault(&e.Limits.TemplatesPerExporter, 1024)
	orDefault(&e.Limits.FieldsPerTemplate, 512)
	orDefault(&e.Limits.SamplesPerDatagram, 512)
	orDefault(&e.Limits.ExporterMetrics, 1000)
	orDefault(&e.NamePreference, PreferConfigured)
	if c.Decoding.Names == nil {
		c.Decoding.Names = StandardNames()
	}
	orDefault(&e.Held.MaxBytes, 64<<20)
	orDefault(&e.Held.MaxBytesPerExporter, 1<<20)
	orDefault(&e.Held.MaxAge, Duration(5*time.Minute))

	for _, n := range []*NATS{&c.NATS, c.Templates.NATS, c.Output.NATS} {
		if n != nil && n.Embedded != nil {
			orDefault(&n.Embedded.Address, "127.0.0.1:4222")
		}
	}
	t := &c.Templates
	orDefault(&t.Bucket, "flowfleet-templates")
	orDefault(&t.History, 1)
	orDefault(&t.TTL, Duration(30*24*time.Hour))
	orDefault(&t.Replicas, 1)
	orDefault(&t.Storage, StorageFile)
	orDefault(&t.LoadTimeout, Duration(30*time.Second))

	o := &c.Output
	orDefault(&o.Kind, OutputJetStream)
	if o.Kind == OutputStdout {
		orDefault(&o.Encoding, EncodingJSON)
	}
	orDefault(&o.Encoding, EncodingProtobuf)
	orDefault(&o.Subject, "flows."+c.Namespace+"."+c.Name)
	orDefault(&o.Ledger, LedgerNone)
	orDefault(&o.Names, NameRecordsNone)
	orDefault(&o.Stream.Name, "flows")
	if len(o.Stream.Subjects) == 0 {
		o.Stream.Subjects = []string{"flows.>"}
	}
	orDefault(&o.Stream.Replicas, 1)
	orDefault(&o.Stream.Storage, StorageFile)
	orDefault(&o.Stream.Retention, RetentionLimits)
	orDefault(&o.Batch.MaxBytes, 64<<10)
	orDefault(&o.Batch.MaxAge, Duration(200*time.Millisecond))
	orDefault(&o.Buffer.MaxBytes, 256<<20)
	orDefault(&o.Buffer.InFlightBytes, 16<<20)
	orDefault(&o.Buffer.Policy, DropOldest)
	if s := o.Buffer.Spool; s != nil {
		orDefault(&s.MaxBytes, 4<<30)
		orDefault(&s.After, Duration(2*time.Second))
		orDefault(&s.ResendBytesPerSecond, 32<<20)
	}

	SetServiceDefaults(&c.HTTP, &c.Log)
	orDefault(&c.DrainTime, Duration(5*time.Second))
}

// SetServiceDefaults fills in what files of all services have.
func SetServiceDefaults(h *HTTP, l *Log) {
	orDefault(&h.Address, ":8080")
	orDefault(&h.MaxConnections, 64)
	orDefault(&l.Level, "info")
	orDefault(&l.Format, "json")
}
