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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// servers are what the Secrets that a spec names come to.
type servers struct {
	// templates and output are the servers of the bucket and of the stream; nil where a Secret that they need is missing.
	templates, output *jetstream.Server
	known             judge.Secrets
	// versions changes with what connects to NATS: it is a reason to look there again, and stays in memory. Collectors read their
	// files at each attempt to connect, so that a rotation replaces none of them.
	versions string
	// started changes with what collectors read at their start only: the Secrets of their environment. See restartHash. unread: some of
	// these cannot be read.
	started string
	unread  bool
}

// startedOr makes nothing roll because Secrets cannot be read: collectors that run have started with those of the DaemonSet.
func (s *servers) startedOr(set *appsv1.DaemonSet) string {
	if !s.unread {
		return s.started
	}
	if set == nil {
		return ""
	}
	return set.Spec.Template.Annotations[fleet.AnnotationSecrets]
}

// secrets reads the Secrets that the spec names, when that is due, one by one: nothing is listed or watched, so that a Role can let
// the operator read these and no others.
func (r *Reconciler) secrets(ctx context.Context, fc *v1alpha1.FlowCollector, m *memory) (*servers, error) {
	if !m.due && m.servers != nil {
		return m.servers, nil
	}
	s := &fc.Spec
	reader := &secretReader{ctx: ctx, client: r.Reader, namespace: fc.Namespace, read: make(map[string]*corev1.Secret), used: make(map[string][]byte)}
	found := make(map[*v1alpha1.NATS]*jetstream.Server)
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
			return nil, fmt.Errorf("reading the Secrets of FlowCollector %s: %w", client.ObjectKeyFromObject(fc), reader.err)
		}
		if len(reader.missing) > failed {
			continue // connecting without it would be connecting as somebody else
		}
		if !reader.forbidden {
			if err := server.Check(); err != nil {
				reader.problems = append(reader.problems, fmt.Sprintf("%s: %v", section.path, err))
			}
		}
		found[section.nats] = server
	}
	out := &servers{templates: found[&s.NATS], output: found[&s.NATS], versions: hex.EncodeToString(contentHash(reader.used))}
	if s.TemplateStore.NATS != nil {
		out.templates = found[s.TemplateStore.NATS]
	}
	if s.Output.NATS != nil {
		out.output = found[s.Output.NATS]
	}
	out.known = judge.Secrets{Forbidden: reader.forbidden, Missing: reader.missing, Problems: reader.problems,
		NoTemplates: out.templates == nil, NoOutput: out.output == nil}
	if err := out.readEnvironment(fc, reader); err != nil {
		return nil, err
	}
	m.servers = out
	if !reader.forbidden && len(reader.missing) == 0 {
		m.complete = out
	}
	return out, nil
}

// readEnvironment notes what the environment of collectors takes from Secrets. One that is not there is the kubelet's to report.
func (s *servers) readEnvironment(fc *v1alpha1.FlowCollector, reader *secretReader) error {
	values := make(map[string][]byte)
	for _, ref := range fleet.EnvironmentSecrets(fc) {
		secret, readable := reader.look(ref.Name)
		switch {
		case reader.err != nil:
			return fmt.Errorf("reading the Secrets of FlowCollector %s: %w", client.ObjectKeyFromObject(fc), reader.err)
		case !readable:
			s.unread = true
			return nil
		case secret == nil:
			continue
		}
		for key, value := range secret.Data {
			if ref.Key == "" || ref.Key == key {
				values[ref.Name+"/"+key] = value
			}
		}
	}
	s.started = restartHash(values)
	return nil
}

// What of a Secret may be kept of each FlowCollector: with the MiB that a Secret may have, 100 FlowCollectors would take a GiB of the operator,
// and a good part of its time. The bundle of a public list of authorities has a quarter of mostCA.
const (
	mostCA    = 1 << 19
	mostOther = 1 << 16
)

// secretReader reads each Secret once.
type secretReader struct {
	ctx               context.Context
	client            client.Reader
	namespace         string
	read              map[string]*corev1.Secret // nil for one that is not there
	used              map[string][]byte         // values, by name and key
	forbidden         bool
	missing, problems []string
	err               error
}

// get is nil for a Secret that is not there, or not to be read.
func (r *secretReader) get(name string) *corev1.Secret {
	secret, readable := r.look(name)
	if r.err == nil && !readable {
		r.forbidden = true
	}
	return secret
}

func (r *secretReader) look(name string) (secret *corev1.Secret, readable bool) {
	if secret, ok := r.read[name]; ok {
		return secret, true
	}
	secret = &corev1.Secret{}
	err := r.client.Get(r.ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, secret)
	switch {
	case err == nil:
	case apierrors.IsNotFound(err):
		secret = nil
	case apierrors.IsForbidden(err):
		return nil, false
	default:
		r.err = fmt.Errorf("reading %s: %w", name, err)
		return nil, false
	}
	r.read[name] = secret
	return secret, true
}

// value of a key; what is missing is noted with where the spec names it.
func (r *secretReader) value(path, name, key string, most int) []byte {
	secret := r.get(name)
	if r.forbidden || r.err != nil {
		return nil
	}
	if secret == nil {
		r.missing = append(r.missing, fmt.Sprintf("%s: there is no Secret %q", path, name))
		return nil
	}
	value, ok := secret.Data[key]
	if len(value) > most {
		r.missing = append(r.missing, fmt.Sprintf("%s: the key %q of Secret %q has %d KiB, more than %d", path, key, name, (len(value)+1023)>>10, most>>10))
		return nil
	}
	if ok {
		r.used[name+"/"+key] = value
	}
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
	s := &jetstream.Server{URLs: n.URLs, Namespace: r.namespace, Domain: n.JetStreamDomain, APIPrefix: n.APIPrefix, InboxPrefix: n.InboxPrefix}
	if t := n.TLS; t != nil {
		s.TLS = &jetstream.TLS{ServerName: t.ServerName, HandshakeFirst: t.HandshakeFirst}
		if t.CA != nil {
			s.TLS.CA = r.value(path+".tls.ca", t.CA.Name, t.CA.Key, mostCA)
		}
		if c := t.ClientCertificate; c != nil {
			s.TLS.Certificate = r.value(path+".tls.clientCertificate", c.Name, corev1.TLSCertKey, mostOther)
			s.TLS.Key = r.value(path+".tls.clientCertificate", c.Name, corev1.TLSPrivateKeyKey, mostOther)
		}
	}
	one := func(name string, k *v1alpha1.SecretKey) []byte {
		if k == nil {
			return nil
		}
		return r.value(path+"."+name, k.Name, k.Key, mostOther)
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

// contentHash changes with values, and with nothing else of the Secrets that they are of.
func contentHash(values map[string][]byte) []byte {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(hash, "%q %d %s\n", name, len(values[name]), values[name])
	}
	return hash.Sum(nil)
}

// restartHash is what the pods' annotation says of values: 20 bits of their hash. That is little, because whoever reads the
// annotation could try passwords against a longer one; one change in a million is not noticed for it. Empty without values.
func restartHash(values map[string][]byte) string {
	if len(values) == 0 {
		return ""
	}
	return hex.EncodeToString(contentHash(values))[:5]
}
