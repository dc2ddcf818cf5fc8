package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
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
	c.that(slices.Contains(allowed, v), path, "%v is not one of %v", v, allowed)
}

func within[T ~int | ~int64 | ~uint32](c *checker, path string, v, least, most T) {
	c.that(v >= least && v <= most, path, "%v is out of bounds: %v to %v", v, least, most)
}

var (
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	bucketName = regexp.MustCompile(`^[-_a-zA-Z0-9]{1,128}$`)
	token      = regexp.MustCompile(`^[^\s.*>]+(\.[^\s.*>]+)*$`)
	pattern    = regexp.MustCompile(`^[^\s.>]+(\.[^\s.>]+)*(\.>)?$|^>$`)
)

// Check reports all problems of a configuration whose defaults are filled in. It reads no files.
func (c *Config) Check() []Problem {
	k := &checker{}
	k.that(dnsLabel.MatchString(c.Name), "name", "%q is not a DNS label (lower-case letters, digits and '-')", c.Name)
	k.that(dnsLabel.MatchString(c.Namespace), "namespace", "%q is not a DNS label (lower-case letters, digits and '-')",
		c.Namespace)
	k.that(len(c.Instance) > 0 && len(c.Instance) <= 253 && !strings.ContainsAny(c.Instance, " \t\r\n"), "instance",
		"%q is not a name of 1 to 253 characters without blanks", c.Instance)
	k.listeners(c.Listeners)
	k.exporters(&c.Exporters)
	k.nats("nats", &c.NATS, c.needsNATS())
	k.templates(c)
	k.output(c)
	k.embedded(c)
	if c.HTTP.Address != "-" {
		k.address("http.address", c.HTTP.Address)
	}
	within(k, "http.maxConnections", c.HTTP.MaxConnections, 1, 65536)
	oneOf(k, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(k, "log.format", c.Log.Format, "json", "text")
	within(k, "drainTime", c.DrainTime, 0, Duration(10*time.Minute))
	return k.problems
}

// needsNATS reports whether something uses the file's own nats section.
func (c *Config) needsNATS() bool {
	return !c.Templates.Disabled && c.Templates.NATS == nil || c.Output.Kind == OutputJetStream && c.Output.NATS == nil
}

func (k *checker) address(path, address string) {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	k.that(err == nil && portErr == nil, path, "%q is not an address such as \":2055\" or \"192.0.2.1:2055\"", address)
	if err == nil && host != "" {
		k.that(net.ParseIP(strings.Split(host, "%")[0]) != nil || host == "localhost", path,
			"%q is not an IP address; leave it out to bind all", host)
	}
	_ = n
}

func (k *checker) listeners(listeners []Listener) {
	names, addresses := make(map[string]int), make(map[string]int)
	for i, l := range listeners {
		path := fmt.Sprintf("listeners[%d]", i)
		k.that(dnsLabel.MatchString(l.Name), path+".name", "%q is not a DNS label (lower-case letters, digits and '-')", l.Name)
		if other, ok := names[l.Name]; ok {
			k.that(false, path+".name", "%q is the name of listeners[%d] too", l.Name, other)
		}
		names[l.Name] = i
		if l.Address == "" {
			k.that(false, path+".address", "it is required, such as \":2055\"")
		} else {
			k.address(path+".address", l.Address)
		}
		if other, ok := addresses[l.Address]; ok && !strings.HasSuffix(l.Address, ":0") {
			k.that(false, path+".address", "listeners[%d] binds %q already", other, l.Address)
		}
		addresses[l.Address] = i
		oneOf(k, path+".protocol", l.Protocol, ProtocolAuto, ProtocolNetFlow, ProtocolIPFIX, ProtocolSFlow)
		within(k, path+".workers", l.Workers, 1, 256)
		within(k, path+".receiveBuffer", l.ReceiveBuffer, 64<<10, 1<<30)
	}
}

func (k *checker) exporters(e *Exporters) {
	for i, p := range e.AllowedNetworks {
		k.that(p.IsValid(), fmt.Sprintf("exporters.allowedNetworks[%d]", i), "it is not a network such as 10.0.0.0/8")
	}
	oneOf(k, "exporters.templateScope", e.TemplateScope, ScopeAuto, ScopeAddress, ScopeAddressPort)
	for name, list := range map[string][]NetworkRate{"defaults": e.Sampling.Defaults, "overrides": e.Sampling.Overrides} {
		seen := make(map[string]int)
		for i, r := range list {
			path := fmt.Sprintf("exporters.sampling.%s[%d]", name, i)
			k.that(r.Network.IsValid(), path+".network", "it is required, such as 10.0.0.0/8")
			k.that(r.Rate >= 1, path+".rate", "it is at least 1: one of so many packets is sampled")
			if other, ok := seen[r.Network.Masked().String()]; ok && r.Network.IsValid() {
				k.that(false, path+".network", "%s stands in %s[%d] too", r.Network, name, other)
			}
			seen[r.Network.Masked().String()] = i
		}
	}
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

// nats checks a section that is in use or not.
func (k *checker) nats(path string, n *NATS, used bool) {
	if used {
		k.that(len(n.URLs) > 0 || n.Embedded != nil, path+".urls",
			"name a server, such as nats://nats:4222, or use %s.embedded", path)
	}
	k.that(len(n.URLs) == 0 || n.Embedded == nil, path+".embedded", "it excludes %s.urls: choose one", path)
	for i, s := range n.URLs {
		u, err := url.Parse(s)
		ok := err == nil && u.Host != "" && slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme)
		k.that(ok, fmt.Sprintf("%s.urls[%d]", path, i), "%q is not an address such as nats://nats:4222 or tls://nats:4222", s)
	}
	if n.Embedded != nil {
		k.that(n.Embedded.StoreDir != "", path+".embedded.storeDir", "it is required: where streams and buckets are kept")
		k.address(path+".embedded.address", n.Embedded.Address)
	}
	methods := 0
	for _, set := range []bool{n.CredentialsFile != "", n.NKeySeedFile != "", n.TokenFile != "", n.User != ""} {
		if set {
			methods++
		}
	}
	k.that(methods <= 1, path, "choose one of credentialsFile, nkeySeedFile, tokenFile and user")
	k.that((n.User == "") == (n.PasswordFile == ""), path+".passwordFile", "user and passwordFile go together")
	if n.TLS != nil {
		k.that((n.TLS.CertFile == "") == (n.TLS.KeyFile == ""), path+".tls", "certFile and keyFile go together")
	}
}

func (k *checker) templates(c *Config) {
	t := &c.Templates
	k.that(bucketName.MatchString(t.Bucket), "templateStore.bucket", "%q is not a name of letters, digits, '-' and '_'", t.Bucket)
	within(k, "templateStore.history", t.History, 1, 64)
	if t.TTL != 0 {
		within(k, "templateStore.ttl", t.TTL, Duration(10*time.Minute), Duration(366*24*time.Hour))
	}
	oneOf(k, "templateStore.replicas", t.Replicas, 1, 3, 5)
	oneOf(k, "templateStore.storage", t.Storage, StorageFile, StorageMemory)
	k.that(t.MaxBytes == -1 || t.MaxBytes >= 1<<20, "templateStore.maxBytes", "%s is less than 1Mi; -1 is no limit", t.MaxBytes)
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
	k.that(o.Kind != OutputFile || o.File != "", "output.file", "it is required for kind File")
	k.that(token.MatchString(o.Subject), "output.subject", "%q is not a subject without wildcards", o.Subject)
	within(k, "output.batch.maxBytes", o.Batch.MaxBytes, 1<<10, maxBatch)
	within(k, "output.batch.maxAge", o.Batch.MaxAge, Duration(time.Millisecond), Duration(time.Minute))
	within(k, "output.buffer.maxBytes", o.Buffer.MaxBytes, o.Batch.MaxBytes, 1<<40)
	within(k, "output.buffer.inFlightBytes", o.Buffer.InFlightBytes, o.Batch.MaxBytes, 1<<40)
	oneOf(k, "output.buffer.policy", o.Buffer.Policy, DropOldest, DropNewest, Block)
	if o.NATS != nil {
		k.nats("output.nats", o.NATS, o.Kind == OutputJetStream)
	}
	s := &o.Stream
	k.that(bucketName.MatchString(s.Name), "output.stream.name", "%q is not a name of letters, digits, '-' and '_'", s.Name)
	oneOf(k, "output.stream.replicas", s.Replicas, 1, 3, 5)
	oneOf(k, "output.stream.storage", s.Storage, StorageFile, StorageMemory)
	k.that(s.MaxBytes == -1 || s.MaxBytes >= 1<<20, "output.stream.maxBytes", "%s is less than 1Mi; -1 is no limit", s.MaxBytes)
	within(k, "output.stream.maxAge", s.MaxAge, Duration(time.Minute), Duration(10*366*24*time.Hour))
	covered := false
	for i, subject := range s.Subjects {
		k.that(pattern.MatchString(subject), fmt.Sprintf("output.stream.subjects[%d]", i), "%q is not a subject", subject)
		covered = covered || covers(subject, o.Subject+".x")
	}
	k.that(covered || s.Unmanaged || o.Kind != OutputJetStream, "output.stream.subjects",
		"none of %q takes in %s.<protocol>, which flows are published on", s.Subjects, o.Subject)
}

// covers reports whether a subject pattern matches a subject.
func covers(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, part := range p {
		switch {
		case part == ">":
			return len(s) > i
		case i >= len(s), part != "*" && part != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

// embedded allows one server in the process.
func (k *checker) embedded(c *Config) {
	n := 0
	for _, s := range []*NATS{&c.NATS, c.Templates.NATS, c.Output.NATS} {
		if s != nil && s.Embedded != nil {
			n++
		}
	}
	k.that(n <= 1, "nats.embedded", "only one section may start a server inside the collector")
}
