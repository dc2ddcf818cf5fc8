package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// binding is what an address to listen on comes to.
type binding struct {
	address netip.Addr // invalid for all addresses
	port    uint16
}

// overlaps reports whether both cannot be bound at a time. Port 0 is another port each time.
func (b binding) overlaps(other binding) bool {
	return b.port == other.port && b.port != 0 &&
		(!b.address.IsValid() || !other.address.IsValid() || b.address == other.address)
}

// address checks an address to listen on; the binding is good for comparisons if there was no problem.
func (k *checker) address(path, address string) (binding, bool) {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		k.that(false, path, "%q is not an address such as \":2055\" or \"192.0.2.1:2055\", with a port up to 65535", address)
		return binding{}, false
	}
	b := binding{port: uint16(n)}
	switch host {
	case "":
		return b, true
	case "localhost":
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		k.that(false, path, "%q is not an IP address; leave it out to bind all", host)
		return binding{}, false
	}
	// An unspecified address of either family binds all of both.
	if a = a.Unmap(); !a.IsUnspecified() {
		b.address = a
	}
	return b, true
}

// nats checks a section; used says whether anything connects to it.
func (k *checker) nats(path string, n *NATS, used bool) {
	if used {
		k.that(len(n.URLs) > 0 || n.Embedded != nil, path+".urls",
			"name a server, such as nats://nats:4222, or use %s.embedded", path)
	}
	k.that(len(n.URLs) == 0 || n.Embedded == nil, path+".embedded", "it excludes %s.urls: choose one", path)
	k.urls(path+".urls", n.URLs)
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
	k.that(n.Domain == "" || n.APIPrefix == "", path, "choose one of jetStreamDomain and apiPrefix")
	k.that(n.Domain == "" || bucketName.MatchString(n.Domain), path+".jetStreamDomain", "%q is not a name of letters, digits, '-' and '_'", n.Domain)
	k.that(n.APIPrefix == "" || subjectPrefix.MatchString(n.APIPrefix), path+".apiPrefix", "%q is not a subject such as JS.leaf.API", n.APIPrefix)
	k.that(n.InboxPrefix == "" || subjectPrefix.MatchString(n.InboxPrefix), path+".inboxPrefix", "%q is not a subject such as _INBOX_flows", n.InboxPrefix)
	if n.TLS != nil {
		k.that((n.TLS.CertFile == "") == (n.TLS.KeyFile == ""), path+".tls", "certFile and keyFile go together")
	}
}

func (k *checker) urls(path string, urls []string) {
	webSockets := 0
	for i, s := range urls {
		at := fmt.Sprintf("%s[%d]", path, i)
		u, err := url.Parse(s)
		// Problems end up in logs and in the status of objects: what may be a password is not repeated.
		if strings.Contains(s, "@") {
			k.that(false, at, "it names a user, token or password: those go into the fields user, passwordFile and tokenFile")
			continue
		}
		ok := err == nil && u.Hostname() != "" && slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme)
		if ok && u.Port() != "" {
			port, err := strconv.ParseUint(u.Port(), 10, 16)
			ok = err == nil && port > 0
		}
		k.that(ok, at, "%q is not an address such as nats://nats:4222 or tls://nats:4222", s)
		if ok && strings.HasPrefix(u.Scheme, "ws") {
			webSockets++
		}
	}
	k.that(webSockets == 0 || webSockets == len(urls), path, "web socket addresses and others do not mix: choose one kind")
}

// subjectPrefix is a subject without wildcards and without a dot at its end.
var subjectPrefix = regexp.MustCompile(`^[-_$a-zA-Z0-9]+(\.[-_$a-zA-Z0-9]+)*$`)

// embedded allows one server in the process.
func (k *checker) embedded(c *Config) {
	first := ""
	for _, s := range []struct {
		path string
		nats *NATS
	}{{"nats", &c.NATS}, {"templateStore.nats", c.Templates.NATS}, {"output.nats", c.Output.NATS}} {
		switch {
		case s.nats == nil || s.nats.Embedded == nil:
		case first == "":
			first = s.path + ".embedded"
		default:
			k.that(false, s.path+".embedded", "%s starts a server inside the collector already: use one", first)
		}
	}
}
