package allow

import "testing"

func TestImagesAreAllowedByTheirRepository(t *testing.T) {
	allowed, err := ParseImages("ghcr.io/flowfleet/flowfleet, registry.example.com:5000/net/,localhost")
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]bool{
		"ghcr.io/flowfleet/flowfleet":                     true,
		"ghcr.io/flowfleet/flowfleet:v1":                  true,
		"ghcr.io/flowfleet/flowfleet:v1@sha256:abc":       true,
		"ghcr.io/flowfleet/flowfleet@sha256:abc":          true,
		"ghcr.io/flowfleet/flowfleet-evil:v1":             false,
		"ghcr.io/flowfleet/flowfleet/evil:v1":             false,
		"ghcr.io/flowfleet":                               false,
		"registry.example.com:5000/net/a:v1":              true,
		"registry.example.com:5000/net/a/b@sha256:abc":    true,
		"registry.example.com:5000/net/../evil":           false,
		"registry.example.com:5000/network":               false,
		"localhost:v1":                                    true,
		"localhost:5000/evil":                             false, // a registry with a port, not a tag
		"evil.example.com/ghcr.io/flowfleet/flowfleet:v1": false,
		"": false,
	} {
		if got := allowed.Allow(image); got != want {
			t.Errorf("%q: %v", image, got)
		}
	}
	if !(Images(nil)).Allow("any/image") {
		t.Error("no list refuses")
	}
	for _, bad := range []string{"ghcr.io/a:v1", "ghcr.io/a@sha256:b", "https://ghcr.io/a", "*", "/a"} {
		if _, err := ParseImages(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestServersAreAllowedByHostAndPort(t *testing.T) {
	allowed, err := ParseServers("nats,NATS.example.com:4223,*.nats.svc:4222,ws.example.com:443,[2001:DB8:0:0::1]:4224,[::2],[::ffff:192.0.2.7]:4222")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"nats://nats:4222":             true,
		"nats://nats":                  true,
		"tls://NATS":                   true,
		"nats://nats:443":              false,
		"nats://kubernetes.default":    false,
		"tls://nats.example.com:4223":  true,
		"tls://nats.example.com":       false,
		"nats://a.nats.svc:4222":       true,
		"nats://a.b.nats.svc":          true,
		"nats://nats.svc:4222":         false,
		"nats://evilnats.svc:4222":     false,
		"nats://a.nats.svc.evil:4222":  false,
		"wss://ws.example.com":         true,
		"ws://ws.example.com":          false,
		"nats://[::1]:4222":            false,
		"nats://169.254.169.254:80":    false,
		"nats://nats:4222@evil:4222":   false,
		"nats://evil:4222/nats:4222":   false,
		"nats://evil:4222#nats:4222":   false,
		"nats://[2001:db8::1]:4224":    true,
		"nats://[2001:db8::0:1]:4224":  true,
		"nats://[2001:db8::1]:4222":    false,
		"nats://[2001:db8::2]:4224":    false,
		"nats://[::2]":                 true,
		"tls://[0:0:0:0:0:0:0:2]:4222": true,
		"nats://192.0.2.7:4222":        true,
		"not an address at all, %zz":   false,
		"nats://nats%2eexample.com:80": false,
	} {
		if got := allowed.Allow(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
	for _, bad := range []string{"nats://nats:4222", "*", "nats:", "na*ts:4222", "2001:db8::1", "2001:db8::1:4222", "[2001:db8::1", "[nats]:4222", "[1:2]:4222", "*.[::1]:4222"} {
		if _, err := ParseServers(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
