package clickhouse

import (
	"net/url"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Config says how to reach ClickHouse, over its HTTP interface.
type Config struct {
	// URL such as http://clickhouse:8123 or https://clickhouse:8443. Required.
	URL string `json:"url"`
	// Database with the tables, default "flowfleet".
	Database string `json:"database,omitempty"`
	// User and the file with the password, which is read again with each request. Default: ClickHouse's user "default" without one.
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"passwordFile,omitempty"`
	// TLS for an https URL; its files are read again with each request.
	TLS *config.TLS `json:"tls,omitempty"`
	// Timeout of one insert, default 30s.
	Timeout config.Duration `json:"timeout,omitempty"`
	// CreateTables makes the tables that are missing, as "collector schema clickhouse" prints them.
	CreateTables bool `json:"createTables,omitempty"`
	// Cluster on which they are made; default none: on the one server.
	Cluster string `json:"cluster,omitempty"`
}

// SetDefaults fills in what the file leaves out.
func (c *Config) SetDefaults() {
	if c.Database == "" {
		c.Database = DefaultTables.Database
	}
	if c.Timeout == 0 {
		c.Timeout = config.Duration(30 * time.Second)
	}
}

// Tables that CreateTables makes.
func (c *Config) Tables() Tables {
	t := DefaultTables
	t.Database, t.Cluster = c.Database, c.Cluster
	return t
}

// Check reports all problems; path is where the section stands in its file.
func (c *Config) Check(path string) (problems []config.Problem) {
	that := func(ok bool, field, message string) {
		if !ok {
			problems = append(problems, config.Problem{Path: path + "." + field, Message: message})
		}
	}
	u, err := url.Parse(c.URL)
	that(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.RawQuery == "" && u.Fragment == "" &&
		!strings.ContainsAny(c.URL, "@?#"), "url", "give an address such as http://clickhouse:8123 or https://clickhouse:8443; user and "+
		"password go into user and passwordFile")
	that(c.User != "" || c.PasswordFile == "", "user", "it is required with passwordFile")
	that(c.TLS == nil || strings.HasPrefix(c.URL, "https://"), "tls", "it needs an https URL")
	if c.TLS != nil {
		that((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls", "certFile and keyFile go together")
		that(!c.TLS.HandshakeFirst, "tls.handshakeFirst", "it is for NATS; leave it out")
	}
	that(c.Timeout >= config.Duration(time.Second) && c.Timeout <= config.Duration(10*time.Minute), "timeout", "give 1s to 10m")
	if err := c.Tables().Check(); err != nil {
		that(false, "database", err.Error())
	}
	return problems
}
