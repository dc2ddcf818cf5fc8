package install_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Who may read no Secret can neither have an administrator's sent in the clear, nor to another server, nor have another key of it sent, nor
// lead requests and answers to subjects of his own choice.
func TestATenantCannotChangeHowAnAdministratorsSecretIsSent(t *testing.T) {
	_, admin, place, user := installed(t, "trudy")
	fc := collector(t, place, "bank", `nats: {urls: ["nats://nats.nats:4222"], jetStreamDomain: hub, tls: {serverName: nats.bank.example}, token: {name: shared, key: nats}}`)
	if err := admin.Create(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	for about, patch := range map[string]string{
		"in the clear":                         `{"spec":{"nats":{"tls":null}}}`,
		"to a server of another name":          `{"spec":{"nats":{"tls":{"serverName":"evil.example"}}}}`,
		"another key of the Secret":            `{"spec":{"nats":{"token":{"key":"root-password"}}}}`,
		"a whole Secret's key as a user's":     `{"spec":{"nats":{"token":null,"user":{"name":"x","password":{"name":"shared","key":"nats"}}}}}`,
		"answers on the subjects of a domain":  `{"spec":{"nats":{"jetStreamDomain":null,"inboxPrefix":"hub"}}}`,
		"requests on the subjects of a domain": `{"spec":{"nats":{"jetStreamDomain":null,"apiPrefix":"hub"}}}`,
	} {
		if err := user.Patch(t.Context(), fc.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)), client.DryRunAll); err == nil {
			t.Errorf("%s: allowed: %s", about, patch)
		}
	}
}
