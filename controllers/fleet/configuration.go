package fleet

import (
	"fmt"
	"net/netip"
	"path"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// Where things are in a collector's pod.
const (
	configurationDirectory = config.StandardDirectory
	spoolDirectory         = "/var/lib/flowfleet/spool"
	namesDirectory         = "/etc/flowfleet-names"
	namesFile              = "names.csv"
)

// ConfigurationFile is the key of the collectors' ConfigMap that their configuration is under.
const ConfigurationFile = "collector.yaml"

// SecretsDirectory has a directory of files for each volume of Secrets.
const SecretsDirectory = "/var/run/secrets/flowfleet"

// Volumes of the NATS sections; each has the files of its Secrets.
const (
	natsVolume          = "nats"
	templatesNATSVolume = "templates-nats"
	outputNATSVolume    = "output-nats"
)

// Names of the files that Secrets are mounted as: a certification authority, a client's certificate with its key, and a password.
const (
	CAFile          = "ca.crt"
	CertificateFile = "tls.crt"
	KeyFile         = "tls.key"
	PasswordFile    = "password"
)

const (
	credentialsFile = "user.creds"
	seedFile        = "nkey.seed"
	tokenFile       = "token"
)

// Subject that the flows of a FlowCollector are published on, without the protocol.
func Subject(c *v1alpha1.FlowCollector) string {
	if subject := c.Spec.Output.Subject; subject != "" {
		return subject
	}
	return fmt.Sprintf("flows.%s.%s", c.Namespace, c.Name)
}

// Configure is the configuration of the collectors that a FlowCollector and the settings of single devices ask for. What it leaves out, the collector fills in:
// its package has the defaults.
func Configure(c *v1alpha1.FlowCollector, devices []config.Device) *config.Config {
	s := &c.Spec
	out := &config.Config{
		Name:      c.Name,
		Namespace: c.Namespace,
		Exporters: exporters(&s.Exporters),
		Decoding:  decoding(&s.Decoding),
		NATS:      *nats(&s.NATS, natsVolume),
		Templates: templateStore(c),
		Output:    output(c),
		HTTP:      config.HTTP{Address: fmt.Sprintf(":%d", s.Collector.MetricsPort), Profiling: s.Collector.Profiling},
		Log:       config.Log{Level: string(s.Collector.LogLevel)},
		DrainTime: duration(s.Collector.DrainTime),
	}
	out.Exporters.Devices = devices
	for _, l := range s.Listeners {
		out.Listeners = append(out.Listeners, config.Listener{
			Name:          l.Name,
			Address:       fmt.Sprintf(":%d", l.Port),
			Protocol:      config.Protocol(l.Protocol),
			Workers:       int(l.Workers),
			Sockets:       int(l.Sockets),
			ReceiveBuffer: size(l.ReceiveBuffer),
		})
	}
	return out
}

func decoding(d *v1alpha1.Decoding) config.Decoding {
	out := config.Decoding{ExtraFields: d.ExtraFields, DeltaCountsOnly: d.DeltaCountsOnly, Biflows: d.Biflows,
		InnerHeaders: d.InnerHeaders}
	if d.Names != nil { // an empty list is none, and not the default
		out.Names = make([]config.NameKind, 0, len(d.Names))
	}
	for _, n := range d.Names {
		out.Names = append(out.Names, config.NameKind(n))
	}
	return out
}

func exporters(e *v1alpha1.Exporters) config.Exporters {
	out := config.Exporters{
		TemplateScope:  config.TemplateScope(e.TemplateScope),
		NamePreference: config.NamePreference(e.NamePreference),
		Sampling:       config.Sampling{Defaults: rates(e.Sampling.Defaults), Overrides: rates(e.Sampling.Overrides)},
		Limits: config.Limits{
			Exporters:            int(e.Limits.Exporters),
			TemplatesPerExporter: int(e.Limits.TemplatesPerExporter),
			FieldsPerTemplate:    int(e.Limits.FieldsPerTemplate),
			SamplesPerDatagram:   int(e.Limits.SamplesPerDatagram),
			ExporterMetrics:      int(e.Limits.ExporterMetrics),
		},
		Held: config.Held{
			Disabled:            e.HeldData.Disabled,
			MaxBytes:            size(e.HeldData.MaxBytes),
			MaxBytesPerExporter: size(e.HeldData.MaxBytesPerExporter),
			MaxAge:              duration(e.HeldData.MaxAge),
		},
	}
	for _, n := range e.Names {
		out.Names = append(out.Names, config.ExporterName{Network: network(n.Network), Name: n.Name})
	}
	if e.NamesFrom != nil {
		out.NamesFile = path.Join(namesDirectory, namesFile)
	}
	for _, n := range e.AllowedNetworks {
		out.AllowedNetworks = append(out.AllowedNetworks, network(n))
	}
	return out
}

func rates(list []v1alpha1.NetworkRate) []config.NetworkRate {
	var out []config.NetworkRate
	for _, r := range list {
		out = append(out, config.NetworkRate{Network: network(r.Network), Rate: uint32(r.Rate)})
	}
	return out
}

// network is not valid for what the schema refuses; the configuration's check then says so.
func network(n v1alpha1.Network) netip.Prefix {
	p, err := netip.ParsePrefix(string(n))
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func nats(n *v1alpha1.NATS, volume string) *config.NATS {
	out := &config.NATS{URLs: n.URLs, Domain: n.JetStreamDomain, APIPrefix: n.APIPrefix, InboxPrefix: n.InboxPrefix}
	if t := n.TLS; t != nil {
		out.TLS = &config.TLS{ServerName: t.ServerName, HandshakeFirst: t.HandshakeFirst}
		if t.CA != nil {
			out.TLS.CAFile = KeyPath(volume, t.CA, CAFile)
		}
		if t.ClientCertificate != nil {
			out.TLS.CertFile, out.TLS.KeyFile = CertificatePaths(volume, t.ClientCertificate)
		}
	}
	switch {
	case n.Credentials != nil:
		out.CredentialsFile = KeyPath(volume, n.Credentials, credentialsFile)
	case n.NKey != nil:
		out.NKeySeedFile = KeyPath(volume, n.NKey, seedFile)
	case n.Token != nil:
		out.TokenFile = KeyPath(volume, n.Token, tokenFile)
	case n.User != nil:
		out.User, out.PasswordFile = n.User.Name, KeyPath(volume, &n.User.Password, PasswordFile)
	}
	return out
}

func templateStore(c *v1alpha1.FlowCollector) config.TemplateStore {
	t := &c.Spec.TemplateStore
	out := config.TemplateStore{
		Disabled:    t.Disabled,
		Bucket:      BucketName(c),
		Owner:       c.Namespace + "/" + c.Name,
		History:     int(t.History),
		TTL:         duration(t.TTL),
		Replicas:    int(t.Replicas),
		Storage:     config.Storage(t.Storage),
		MaxBytes:    size(t.MaxBytes),
		LoadTimeout: duration(t.LoadTimeout),
	}
	if t.NATS != nil {
		out.NATS = nats(t.NATS, templatesNATSVolume)
	}
	return out
}

var dropPolicies = map[v1alpha1.DropPolicy]config.DropPolicy{
	v1alpha1.DropOldest: config.DropOldest,
	v1alpha1.DropNewest: config.DropNewest,
	v1alpha1.Block:      config.Block,
}

func output(c *v1alpha1.FlowCollector) config.Output {
	o := &c.Spec.Output
	s := &o.Stream
	out := config.Output{
		Kind:     config.OutputJetStream,
		Encoding: config.Encoding(o.Encoding),

		ScaledVolumes: o.ScaledVolumes,

		Subject: Subject(c),
		Stream: config.Stream{
			Name:      StreamName(c),
			Unmanaged: s.Managed != nil && !*s.Managed,
			Subjects:  s.Subjects,
			MaxAge:    duration(s.MaxAge),
			MaxBytes:  size(s.MaxBytes),
			Replicas:  int(s.Replicas),
			Storage:   config.Storage(s.Storage),
			Retention: config.Retention(s.Retention),

			Compression:     config.Compression(s.Compression),
			Discard:         config.Discard(s.Discard),
			DuplicateWindow: duration(s.DuplicateWindow),
		},
		Batch: config.Batch{MaxBytes: size(o.Batch.MaxBytes), MaxAge: duration(o.Batch.MaxAge)},
		Buffer: config.Buffer{
			MaxBytes:      size(o.Buffer.MaxBytes),
			InFlightBytes: size(o.Buffer.InFlightBytes),
			Policy:        dropPolicies[o.Buffer.Policy],
		},
	}
	if p := s.Placement; p != nil {
		out.Stream.Placement = &config.Placement{Cluster: p.Cluster, Tags: p.Tags}
	}
	if len(out.Stream.Subjects) == 0 {
		out.Stream.Subjects = []string{out.Subject + ".>"}
	}
	out.Ledger, out.Names = config.Ledger(o.Ledger), config.NameRecords(o.Names)
	if p := o.Buffer.Spool; p != nil {
		out.Buffer.Spool = &config.Spool{
			// Fleets may have one directory of a node in common.
			Directory:            path.Join(spoolDirectory, c.Namespace+"."+c.Name),
			MaxBytes:             size(p.MaxBytes),
			After:                duration(p.After),
			ResendBytesPerSecond: size(p.ResendBytesPerSecond),
		}
	}
	if o.NATS != nil {
		out.NATS = nats(o.NATS, outputNATSVolume)
	}
	return out
}

func duration(d *v1alpha1.Duration) config.Duration {
	if d == nil {
		return 0
	}
	return config.Duration(d.Std())
}

func size(q *resource.Quantity) config.Size {
	if q == nil {
		return 0
	}
	return config.Size(q.Value())
}
