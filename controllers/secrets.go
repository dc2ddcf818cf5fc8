package controllers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// secrets are what a pass knows of the Secrets that a spec names.
type secrets struct {
	// templates and output are the servers of the bucket and of the stream; nil where a Secret that they need is missing.
	templates, output *jetstream.Server
	// forbidden: the operator may not read them.
	forbidden bool
	// problems with what was read, or missing.
	missing, problems []string
	versions          string
}

// readSecrets reads the Secrets that the spec names, one by one: nothing is listed or watched, so that a Role can let the
// operator read these and no others.
func (p *pass) readSecrets(ctx context.Context) error {
	s := &p.fc.Spec
	reader := &secretReader{ctx: ctx, client: p.Reader, namespace: p.fc.Namespace, read: make(map[string]*corev1.Secret)}
	servers := make(map[*v1alpha1.NATS]*jetstream.Server)
	for _, section := range []struct {
		path string
		nats *v1alpha1.NATS
	}{{"spec.nats", &s.NATS}, {"spec.templateStore.nats", s.TemplateStore.NATS}, {"spec.output.nats", s.Output.NATS}} {
		if section.nats == nil {
			continue
		}
		failed := len(reader.missing)
		server := reader.server(section.path, section.nats)
		if reader.err != nil {
			return fmt.Errorf("reading the Secrets of FlowCollector %s: %w", client.ObjectKeyFromObject(p.fc), reader.err)
		}
		if len(reader.missing) > failed {
			continue // connecting without it would be connecting as somebody else
		}
		if !reader.forbidden {
			if err := server.Check(); err != nil {
				reader.problems = append(reader.problems, fmt.Sprintf("%s: %v", section.path, err))
			}
		}
		servers[section.nats] = server
	}
	p.secrets = secrets{
		templates: servers[&s.NATS],
		output:    servers[&s.NATS],
		forbidden: reader.forbidden,
		missing:   reader.missing,
		problems:  reader.problems,
		versions:  reader.versions(),
	}
	if s.TemplateStore.NATS != nil {
		p.secrets.templates = servers[s.TemplateStore.NATS]
	}
	if s.Output.NATS != nil {
		p.secrets.output = servers[s.Output.NATS]
	}
	if p.secrets.forbidden || len(p.secrets.missing) > 0 {
		return p.keepSecretVersions(ctx)
	}
	return nil
}

// keepSecretVersions makes nothing roll because Secrets cannot be read: collectors that run have connected with them.
func (p *pass) keepSecretVersions(ctx context.Context) error {
	set := &appsv1.DaemonSet{}
	key := client.ObjectKey{Namespace: p.fc.Namespace, Name: fleet.ObjectName(p.fc)}
	if err := p.Client.Get(ctx, key, set); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading DaemonSet %s: %w", key, err)
		}
		p.secrets.versions = ""
		return nil
	}
	p.secrets.versions = set.Spec.Template.Annotations[fleet.AnnotationSecrets]
	return nil
}

// secretReader reads each Secret once.
type secretReader struct {
	ctx               context.Context
	client            client.Reader
	namespace         string
	read              map[string]*corev1.Secret // nil for one that is not there
	forbidden         bool
	missing, problems []string
	err               error
}

func (r *secretReader) get(name string) *corev1.Secret {
	if secret, ok := r.read[name]; ok {
		return secret
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{}}
	err := r.client.Get(r.ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, secret)
	switch {
	case err == nil:
	case apierrors.IsNotFound(err):
		secret = nil
	case apierrors.IsForbidden(err):
		r.forbidden = true
		return nil
	default:
		r.err = fmt.Errorf("reading %s: %w", name, err)
		return nil
	}
	r.read[name] = secret
	return secret
}

// value of a key; what is missing is noted with where the spec names it.
func (r *secretReader) value(path, name, key string) []byte {
	secret := r.get(name)
	if r.forbidden || r.err != nil {
		return nil
	}
	if secret == nil {
		r.missing = append(r.missing, fmt.Sprintf("%s: there is no Secret %q", path, name))
		return nil
	}
	value, ok := secret.Data[key]
	switch {
	case !ok:
		r.missing = append(r.missing, fmt.Sprintf("%s: Secret %q has no key %q (it has: %s)", path, name, key,
			strings.Join(slices.Sorted(maps.Keys(secret.Data)), ", ")))
	case len(bytes.TrimSpace(value)) == 0: // of an empty token, a server that asks for none would take no notice
		r.missing = append(r.missing, fmt.Sprintf("%s: the key %q of Secret %q is empty", path, key, name))
	}
	return value
}

func (r *secretReader) server(path string, n *v1alpha1.NATS) *jetstream.Server {
	s := &jetstream.Server{URLs: n.URLs, Namespace: r.namespace}
	if t := n.TLS; t != nil {
		s.TLS = &jetstream.TLS{ServerName: t.ServerName}
		if t.CA != nil {
			s.TLS.CA = r.value(path+".tls.ca", t.CA.Name, t.CA.Key)
		}
		if c := t.ClientCertificate; c != nil {
			s.TLS.Certificate = r.value(path+".tls.clientCertificate", c.Name, corev1.TLSCertKey)
			s.TLS.Key = r.value(path+".tls.clientCertificate", c.Name, corev1.TLSPrivateKeyKey)
		}
	}
	one := func(name string, k *v1alpha1.SecretKey) []byte {
		if k == nil {
			return nil
		}
		return r.value(path+"."+name, k.Name, k.Key)
	}
	s.Credentials = one("credentials", n.Credentials)
	s.NKeySeed = one("nkey", n.NKey)
	s.Token = strings.TrimSpace(string(one("token", n.Token)))
	if n.User != nil {
		s.User = n.User.Name
		s.Password = strings.TrimSpace(string(one("user.password", &n.User.Password)))
	}
	return s
}

// versions changes when a Secret does. It is made of resource versions rather than contents: a hash of a password in an
// annotation would let its readers try passwords.
func (r *secretReader) versions() string {
	if len(r.read) == 0 {
		return ""
	}
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(r.read)) {
		if s := r.read[name]; s != nil {
			fmt.Fprintf(hash, "%s %s %s\n", name, s.UID, s.ResourceVersion)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
