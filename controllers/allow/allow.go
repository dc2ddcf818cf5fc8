// Package allow says which images and NATS servers an administrator lets every FlowCollector use, whoever made it. It is pure.
package allow

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Images are repositories, such as ghcr.io/flowfleet/flowfleet; one that ends in "/" stands for all below it. None allow all.
type Images []string

// Servers are NATS servers: host:port, [address]:port for IPv6, or *.domain:port for all hosts of a domain. None allow all.
type Servers []string

var (
	repository = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*/?$`)
	server     = regexp.MustCompile(`^((\*\.)?[-a-z0-9._]+|\[[0-9a-f:.]+\]):[0-9]{1,5}$`)
	// suffix is what an image has after its repository: tag, digest or both.
	suffix = regexp.MustCompile(`^(:[^/:@]+)?(@[^/@]+)?$`)
)

// ParseImages reads a list with commas between.
func ParseImages(list string) (Images, error) {
	out := Images(split(list))
	for _, r := range out {
		if !repository.MatchString(r) {
			return nil, fmt.Errorf("%q is not a repository such as ghcr.io/flowfleet/flowfleet, or ghcr.io/flowfleet/ for all below it, without tag and digest", r)
		}
	}
	return out, nil
}

// natsPort is the one that an address without a port means.
const natsPort = "4222"

// ParseServers reads a list with commas between. Entries without a port mean port 4222.
func ParseServers(list string) (Servers, error) {
	out := Servers(split(list))
	for i, s := range out {
		if !strings.Contains(s, ":") || strings.HasSuffix(s, "]") {
			s += ":" + natsPort
		}
		host, port, err := net.SplitHostPort(s)
		if out[i] = hostAndPort(host, port); err != nil || !server.MatchString(out[i]) || strings.HasPrefix(s, "[") && !isAddress(host) {
			return nil, fmt.Errorf("%q is not a server such as nats.example.com:4222, [2001:db8::1]:4222, or *.example.com:4222 for all hosts of a domain", s)
		}
	}
	return out, nil
}

// hostAndPort is one text for all ways to write a server.
func hostAndPort(host, port string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.Unmap().String()
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func split(list string) []string {
	var out []string
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Allow reports whether an image may run.
func (i Images) Allow(image string) bool {
	return len(i) == 0 || slices.ContainsFunc(i, func(repository string) bool {
		rest, ok := strings.CutPrefix(image, repository)
		if strings.HasSuffix(repository, "/") {
			return ok && !strings.Contains(image, "/../")
		}
		return ok && suffix.MatchString(rest)
	})
}

// Allow reports whether an address such as nats://nats:4222 may be connected to.
func (s Servers) Allow(address string) bool {
	if len(s) == 0 {
		return true
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	port := natsPort
	switch u.Scheme {
	case "ws":
		port = "80"
	case "wss":
		port = "443"
	}
	host := hostAndPort(u.Hostname(), cmp.Or(u.Port(), port))
	return slices.ContainsFunc(s, func(allowed string) bool {
		if domain, ok := strings.CutPrefix(allowed, "*"); ok {
			return strings.HasSuffix(host, domain) && len(host) > len(domain)
		}
		return host == allowed
	})
}
