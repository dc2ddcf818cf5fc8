package sink

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/sink/service"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// Where things are in a sink's pod.
const (
	configurationVolume    = "configuration"
	configurationDirectory = "/etc/flowfleet"
	clickHouseVolume       = "clickhouse"
	bookmarkVolume         = "bookmark"
)

// ConfigurationFile is the key of the ConfigMap, and the file, that has the sinks' configuration.
const ConfigurationFile = "sink.yaml"

// port of /metrics, /healthz and /readyz.
const port = 8080

// Configuration of the sinks. What it leaves out, they fill in.
//
// Consumer, and stream and subject of refused messages, are no other FlowSink's: a stream may have flows of several namespaces.
func (s *Sink) Configuration() *service.Config {
	spec := &s.Sink.Spec
	out := &service.Config{
		NATS:       *fleet.Access(s.Collector).NATS,
		Stream:     s.Stream,
		Consumer:   ConsumerName(s.Sink),
		AckWait:    duration(spec.AckWait),
		Workers:    int(spec.Workers),
		ClickHouse: clickHouse(&spec.ClickHouse),
		HTTP:       config.HTTP{Address: fmt.Sprintf(":%d", port), Profiling: spec.Profiling},
		Log:        config.Log{Level: string(spec.LogLevel)},
		Refused: service.Refused{
			Subject: "flowfleet.refused." + s.Sink.Namespace + "." + s.Sink.Name,
			Stream:  refusedStream(s.Sink, s.Stream),
		},
	}
	if b := spec.Blocks; b != nil {
		out.Blocks = &service.Blocks{MaxAge: duration(b.MaxAge)}
		if b.MaxBytes != nil {
			out.Blocks.MaxBytes = config.Size(b.MaxBytes.Value())
		}
	}
	if spec.From.Stream != "" { // all of it
		return out
	}
	for _, p := range spec.Protocols {
		out.FilterSubjects = append(out.FilterSubjects, fleet.Subject(s.Collector)+"."+string(p))
	}
	if len(out.FilterSubjects) == 0 { // a stream may have flows of other fleets
		out.FilterSubjects = []string{fleet.Subject(s.Collector) + ".>"}
	}
	return out
}

func clickHouse(c *v1alpha1.ClickHouse) clickhouse.Config {
	out := clickhouse.Config{URL: c.URL, Database: c.Database, Timeout: duration(c.Timeout), CreateTables: c.CreateTables, Cluster: c.Cluster}
	if c.User != nil {
		out.User, out.PasswordFile = c.User.Name, fleet.KeyPath(clickHouseVolume, &c.User.Password, fleet.PasswordFile)
	}
	if t := c.TLS; t != nil {
		out.TLS = &config.TLS{ServerName: t.ServerName}
		if t.CA != nil {
			out.TLS.CAFile = fleet.KeyPath(clickHouseVolume, t.CA, fleet.CAFile)
		}
		if t.ClientCertificate != nil {
			out.TLS.CertFile, out.TLS.KeyFile = fleet.CertificatePaths(clickHouseVolume, t.ClientCertificate)
		}
	}
	return out
}

func duration(d *v1alpha1.Duration) config.Duration {
	if d == nil {
		return 0
	}
	return config.Duration(d.Std())
}

func (s *Sink) file() ([]byte, error) {
	b, err := yaml.Marshal(s.Configuration())
	if err != nil {
		return nil, fmt.Errorf("the configuration of FlowSink %s: %w", s.Sink.Name, err)
	}
	return b, nil
}

// ConfigMap holds the sinks' configuration.
func (s *Sink) ConfigMap() (*coreac.ConfigMapApplyConfiguration, error) {
	file, err := s.file()
	if err != nil {
		return nil, err
	}
	return coreac.ConfigMap(ObjectName(s.Sink), s.Sink.Namespace).
		WithLabels(s.labels()).
		WithAnnotations(s.Sink.Spec.CommonAnnotations).
		WithOwnerReferences(s.owner()).
		WithData(map[string]string{ConfigurationFile: string(file)}), nil
}

// hash changes with the configuration.
func hash(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:8])
}

// refusedStream keeps what the sinks of a FlowSink, which read stream, were refused for ever. No fleet's stream has the name by default: see
// config.OwnFleet.
func refusedStream(s *v1alpha1.FlowSink, stream string) string {
	return stream + config.RefusedInfix + ConsumerName(s)
}
