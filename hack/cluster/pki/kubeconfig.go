package pki

import "sigs.k8s.io/yaml"

// Kubeconfig issues a client certificate, and writes NAME.kubeconfig with all that is needed to be that client: it can be
// copied anywhere. The server is a URL.
func (a *Authority) Kubeconfig(name, server string, identity Identity) error {
	certificate, key, err := a.Issue(name, identity)
	if err != nil {
		return err
	}
	type named map[string]any
	content, err := yaml.Marshal(map[string]any{ // byte slices become base64, as the format wants
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []named{{"name": "flowfleet", "cluster": map[string]any{
			"server": server, "certificate-authority-data": a.pem}}},
		"users": []named{{"name": identity.User, "user": map[string]any{
			"client-certificate-data": certificate, "client-key-data": key}}},
		"contexts": []named{{"name": "flowfleet", "context": map[string]any{
			"cluster": "flowfleet", "user": identity.User}}},
		"current-context": "flowfleet",
	})
	if err != nil {
		return err
	}
	return a.write(name+".kubeconfig", content)
}
