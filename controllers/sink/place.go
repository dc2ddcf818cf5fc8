package sink

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/sink/service"
)

// Place is which flows sinks store, and in which tables: a configuration of theirs, and what tells its names from the same ones elsewhere.
type Place struct {
	// Namespace of the FlowSink, and Collector, the FlowCollector in it whose flows are stored.
	Namespace, Collector string
	// Made is when the stream was made; zero where no sink has told.
	Made metav1.Time
	// Configuration with its defaults filled in.
	Configuration *service.Config
}

// Same reports whether two sinks are known to store the same flows in the same tables. Of what is not known it says no: addresses of two
// servers of one cluster, and a stream's name on servers where it may be another account's.
func (p *Place) Same(other *Place) bool {
	return Tables(p.Namespace, &p.Configuration.ClickHouse) == Tables(other.Namespace, &other.Configuration.ClickHouse) && p.sameStream(other) &&
		slices.ContainsFunc(p.subjects(), func(a string) bool {
			return slices.ContainsFunc(other.subjects(), func(b string) bool { return config.SubjectsCollide(a, b) })
		})
}

// subjects that are read: all, where there are no filters.
func (p *Place) subjects() []string {
	if len(p.Configuration.FilterSubjects) == 0 {
		return []string{">"}
	}
	return p.Configuration.FilterSubjects
}

func (p *Place) sameStream(other *Place) bool {
	if p.Configuration.Stream != other.Configuration.Stream {
		return false
	}
	a, b := &p.Configuration.NATS, &other.Configuration.NATS
	switch {
	case p.Namespace == other.Namespace && p.Collector == other.Collector:
		return true
	case !p.Made.IsZero() && !other.Made.IsZero():
		return p.Made.Equal(&other.Made)
	case hasAccount(a) || hasAccount(b) || a.Domain != b.Domain || a.APIPrefix != b.APIPrefix:
		return false
	}
	return slices.ContainsFunc(a.URLs, func(u string) bool {
		return slices.ContainsFunc(b.URLs, func(v string) bool { return Address(u, p.Namespace) == Address(v, other.Namespace) })
	})
}

// hasAccount reports whether a client says who it is, which chooses an account of the server.
func hasAccount(n *config.NATS) bool {
	return n.CredentialsFile != "" || n.NKeySeedFile != "" || n.TokenFile != "" || n.User != "" || n.TLS != nil && n.TLS.CertFile != ""
}

// Tables names the tables of a destination, in the same words whichever way a namespace's FlowSink writes them. It is empty for an address
// that is none.
func Tables(namespace string, c *clickhouse.Config) string {
	address := Address(c.URL, namespace)
	if address == "" {
		return ""
	}
	filled := *c
	filled.SetDefaults()
	return address + " " + filled.Tables().Database
}

// defaultPorts of URLs.
var defaultPorts = map[string]string{"http": "80", "https": "443", "nats": "4222", "tls": "4222", "ws": "80", "wss": "443"}

// clusterDomain is the domain of a cluster's Services where nobody chose another one.
const clusterDomain = ".cluster.local"

// Address is a URL without what two of one server may differ in: the case of letters, the port that is the scheme's own, a slash at the end,
// and how much of a Service's name there is, as pods of a namespace resolve it. It is empty for what is no URL. A name of two labels counts as
// a Service, in a namespace, also where it is of the Internet: as it does for another FlowSink that has it.
func Address(address, namespace string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	} else {
		host = strings.TrimSuffix(strings.TrimSuffix(host, clusterDomain), ".svc")
		if !strings.Contains(host, ".") {
			host += "." + namespace
		}
	}
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port) + strings.TrimRight(u.Path, "/")
}
