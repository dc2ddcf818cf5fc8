package fleet

import (
	"testing"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// A container that starts anew in a pod that was made with other Secrets reads the configuration of now. It finds none of them under a name that
// this one has: who may name a Secret that is for everybody would have others sent to the server beside it.
func TestAPodThatWasMadeWithAnotherSecretHasNoFileOfTheNameThatIsConfiguredNow(t *testing.T) {
	key := func(name, key string) *v1alpha1.SecretKey { return &v1alpha1.SecretKey{Name: name, Key: key} }
	sections := func(secret, of string) []*v1alpha1.NATS {
		return []*v1alpha1.NATS{
			{Token: key(secret, of)}, {Credentials: key(secret, of)}, {NKey: key(secret, of)}, {User: &v1alpha1.User{Name: "a", Password: *key(secret, of)}},
			{TLS: &v1alpha1.TLS{CA: key(secret, of)}}, {TLS: &v1alpha1.TLS{ClientCertificate: &v1alpha1.SecretName{Name: secret}}},
		}
	}
	mounted := func(n *v1alpha1.NATS) map[string]bool {
		files := make(map[string]bool)
		for _, source := range secretSources(n) {
			for _, item := range source.Secret.Items {
				files[SecretsDirectory+"/"+natsVolume+"/"+*item.Path] = true
			}
		}
		return files
	}
	configured := func(n *v1alpha1.NATS) (out []string) {
		c := nats(n, natsVolume)
		files := []string{c.TokenFile, c.CredentialsFile, c.NKeySeedFile, c.PasswordFile}
		if c.TLS != nil {
			files = append(files, c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile)
		}
		for _, f := range files {
			if f != "" {
				out = append(out, f)
			}
		}
		return out
	}
	before := sections("admin", "token")
	for i, n := range before {
		names := configured(n)
		if len(names) == 0 {
			t.Fatalf("%+v names no file", n)
		}
		for _, f := range names {
			if !mounted(n)[f] {
				t.Errorf("%s is not mounted: there are %v", f, mounted(n))
			}
		}
		for _, other := range []*v1alpha1.NATS{sections("team", "token")[i], sections("admin", "other")[i]} {
			if other.TLS != nil && other.TLS.ClientCertificate != nil && other.TLS.ClientCertificate.Name == "admin" {
				continue // it has no keys to choose
			}
			for _, f := range configured(other) {
				if mounted(n)[f] {
					t.Errorf("the pod has another Secret at %s", f)
				}
			}
		}
	}
}
