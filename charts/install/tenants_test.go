package install_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// tenant may create and update FlowCollectors of a namespace, and what more verbs say, and nothing else.
func tenant(t *testing.T, server *controllertest.Server, place, name string, more ...rbacv1.PolicyRule) client.Client {
	t.Helper()
	return bound(t, server, place, name, append(more, rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"},
		Verbs: []string{"get", "create", "update", "patch"}})...)
}

// bound is a user who may do in a namespace what rules say, and nothing else.
func bound(t *testing.T, server *controllertest.Server, place, name string, rules ...rbacv1.PolicyRule) client.Client {
	t.Helper()
	c := server.Client(t)
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: name}, Rules: rules},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: name},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}},
	} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	user, err := client.New(server.User(t, name), client.Options{Scheme: server.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// collector is a FlowCollector with a spec in YAML, as a user writes it.
func collector(t *testing.T, place, name, spec string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "flowfleet.io/v1alpha1", "kind": "FlowCollector"}}
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		t.Fatal(err)
	}
	o.Object["spec"] = fields
	o.SetNamespace(place)
	o.SetName(name)
	return o
}

// mounted is the spec of a FlowCollector that mounts a ConfigMap's file at a path.
func mounted(path string) string {
	return fmt.Sprintf(`collector: {volumes: [{name: own, configMap: {name: own, defaultMode: 493}}], volumeMounts: [{name: own, mountPath: %q, subPath: file}]}`, path)
}

// attempt to get more than collectors, with the field that the refusal names.
type attempt struct{ about, spec, names string }

var attempts = append([]attempt{
	{"another image", `collector: {image: "evil.example.com/shell:v1"}`, "spec.collector.image"},
	{"an image whose name only begins as ours", `collector: {image: "ghcr.io/flowfleet/flowfleet-evil:v1"}`, "spec.collector.image"},
	{"an image below ours", `collector: {image: "ghcr.io/flowfleet/flowfleet/evil"}`, "spec.collector.image"},
	{"the nodes' network", `collector: {hostNetwork: true}`, "spec.collector.hostNetwork"},
	{"a privileged container on the nodes", `collector: {nodeTuning: ReceiveBuffer}`, "spec.collector.nodeTuning"},
	{"a priority above the nodes' own pods", `collector: {priorityClassName: system-node-critical}`, "spec.collector.priorityClassName"},
	{"any other priority", `collector: {priorityClassName: important}`, "spec.collector.priorityClassName"},
	{"the nodes' files", `collector: {volumes: [{name: root, hostPath: {path: /}}]}`, "spec.collector.volumes"},
	{"a Secret as files", `collector: {volumes: [{name: s, secret: {secretName: admin}}]}`, "spec.collector.volumes"},
	{"somebody's claim", `collector: {volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}`, "spec.collector.volumes"},
	{"a driver", `collector: {volumes: [{name: c, csi: {driver: secrets-store.csi.k8s.io}}]}`, "spec.collector.volumes"},
	{"a directory of the nodes for the spool", `output: {buffer: {spool: {hostPath: {path: /etc}}}}`, "spec.output.buffer.spool.hostPath"},
	{"a Secret in the environment", `collector: {env: [{name: TZ, valueFrom: {secretKeyRef: {name: admin, key: token}}}]}`, "spec.collector"},
	{"a Secret for pulling", `collector: {imagePullSecrets: [{name: admin}]}`, "spec.collector"},
	{"a Secret as a token", `nats: {token: {name: admin, key: token}}`, "spec.nats"},
	{"a Secret as a password", `nats: {user: {name: a, password: {name: admin, key: token}}}`, "spec.nats"},
	{"a Secret as credentials of the bucket's server", `templateStore: {nats: {credentials: {name: admin, key: token}}}`, "spec.nats"},
	{"a Secret as an NKey of the stream's server", `output: {nats: {nkey: {name: admin, key: token}}}`, "spec.nats"},
	{"a Secret as a CA", `nats: {tls: {ca: {name: admin, key: token}}}`, "spec.nats"},
	{"a Secret as a certificate", `nats: {tls: {clientCertificate: {name: admin}}}`, "spec.nats"},
	{"the API server as NATS", `nats: {urls: ["nats://kubernetes.default:443"]}`, "spec.nats.urls"},
	{"metadata of the cloud as NATS", `nats: {urls: ["nats://169.254.169.254:80"]}`, "spec.nats.urls"},
	{"another port of an allowed server", `nats: {urls: ["nats://nats.nats:8222"]}`, "spec.nats.urls"},
	{"another server beside an allowed one", `nats: {urls: ["nats://nats.nats:4222", "nats://evil:4222"]}`, "spec.nats.urls"},
	{"another server for the bucket", `templateStore: {nats: {urls: ["nats://evil:4222"]}}`, "spec.nats.urls"},
	{"another server for the stream", `output: {nats: {urls: ["wss://evil"]}}`, "spec.nats.urls"},
	{"another fleet's bucket", `templateStore: {bucket: flowfleet-other_edge}`, "spec.templateStore.bucket"},
	{"another fleet's stream", `output: {stream: {name: flows-other_edge}}`, "spec.output.stream.name"},
	{"another fleet's subject", `output: {subject: flows.other.edge}`, "spec.output.subject"},
	{"all subjects", `output: {stream: {subjects: ["flows.>"]}}`, "spec.output.subject"},
	{"another network by annotation", `collector: {annotations: {k8s.v1.cni.cncf.io/networks: host}}`, "spec.collector.annotations"},
	{"others' endpoints by label", `collector: {labels: {app: bank}}`, "spec.collector.labels"},
	{"others' endpoints by the labels of all objects", `commonLabels: {app: bank}`, "spec.commonLabels"},
	{"a ConfigMap copied to other namespaces", `commonAnnotations: {reflector.v1.k8s.emberstack.com/reflection-auto-enabled: "true"}`, "spec.commonAnnotations"},
	{"a cloud's role for the account", `commonAnnotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/admin"}`, "spec.commonAnnotations"},
	{"another program in place of ours", mounted("/collector"), "spec.collector.volumeMounts"},
	{"another program, the long way round", mounted("/mnt/../collector"), "spec.collector.volumeMounts"},
	{"another configuration, past the list of servers", mounted("//etc/flowfleet"), "spec.collector.volumeMounts"},
	{"an allowed server's name at another address", mounted("/etc/hosts"), "spec.collector.volumeMounts"},
	{"servers of names by a file", mounted("/etc/resolv.conf"), "spec.collector.volumeMounts"},
	{"other authorities", mounted("/etc/ssl/certs"), "spec.collector.volumeMounts"},
	{"a directory above others", mounted("/"), "spec.collector.volumeMounts"},
	{"a container beside the collector", `collector: {sidecars: [{name: shell, image: "evil:v1"}]}`, "spec.collector.sidecars"},
	{"a container before the collector", `collector: {initContainers: [{name: shell, image: "evil:v1"}]}`, "spec.collector.initContainers"},
	{"another account", `collector: {serviceAccountName: admin}`, "spec.collector.serviceAccountName"},
	{"another runtime", `collector: {runtimeClassName: none}`, "spec.collector.runtimeClassName"},
	{"names that lead elsewhere", `collector: {dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.1]}}`, "spec.collector.dnsConfig"},
	{"names that are looked for elsewhere first", `collector: {dnsConfig: {searches: [evil.example.com]}}`, "spec.collector.dnsConfig"},
	{"the nodes' names", `collector: {dnsPolicy: Default}`, "spec.collector.dnsConfig"},
	{"requests on another fleet's subjects", `nats: {apiPrefix: flows.other.edge}`, "apiPrefix"},
	{"answers on another fleet's subjects", `output: {nats: {inboxPrefix: flows.other.edge}}`, "inboxPrefix"},
	{"JetStream of another domain", `templateStore: {nats: {jetStreamDomain: others}}`, "jetStreamDomain"},
	{"other namespaces' pods kept from being scheduled", `collector: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, namespaceSelector: {}, labelSelector: {matchLabels: {app: bank}}}]}}}`, "spec.collector.affinity"},
	{"a namespace's pods kept from a whole zone", `collector: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, labelSelector: {}}, {topologyKey: topology.kubernetes.io/zone, namespaces: [bank], labelSelector: {}}]}}}`, "spec.collector.affinity"},
	{"other namespaces' pods driven away", `collector: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, podAffinityTerm: {topologyKey: a, namespaceSelector: {}, labelSelector: {}}}]}}}`, "spec.collector.affinity"},
	{"other namespaces' pods drawn near", `collector: {affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, podAffinityTerm: {topologyKey: a, namespaces: [bank], labelSelector: {}}}]}}}`, "spec.collector.affinity"},
	{"others' names in DNS", `service: {annotations: {external-dns.alpha.kubernetes.io/hostname: bank.example.com}}`, "spec.service.annotations"},
	{"another's address", `service: {annotations: {prometheus.io/scrape: "false", metallb.io/loadBalancerIPs: 192.0.2.1, metallb.io/allow-shared-ip: bank}}`, "spec.service.annotations"},
	{"addresses that are announced elsewhere", `service: {labels: {announce: internet}}`, "spec.service.labels"},
	{"another label of SELinux", `collector: {securityContext: {seLinuxOptions: {type: spc_t}}}`, "spec.collector.securityContext"},
	{"variables of a Secret", `collector: {envFrom: [{secretRef: {name: admin}}]}`, "spec.collector.envFrom"},
	{"variables of a ConfigMap", `collector: {envFrom: [{prefix: SSL_CERT_, configMapRef: {name: own}}]}`, "spec.collector.envFrom"},
	{"authorities of a file", `collector: {env: [{name: SSL_CERT_FILE, value: /mnt/own}]}`, "spec.collector.env"},
	{"authorities of a directory", `collector: {env: [{name: SSL_CERT_DIR, value: /mnt/own}]}`, "spec.collector.env"},
	{"authorities beside harmless variables", `collector: {env: [{name: TZ, value: UTC}, {name: SSL_CERT_FILE, value: /mnt/own}]}`, "spec.collector.env"},
	{"authorities of a ConfigMap's value", `collector: {env: [{name: SSL_CERT_FILE, valueFrom: {configMapKeyRef: {name: own, key: a}}}]}`, "spec.collector.env"},
	{"weaker cryptography", `collector: {env: [{name: GODEBUG, value: "tlsmaxrsasize=99999"}]}`, "spec.collector.env"},
	{"a proxy for TLS", `collector: {env: [{name: HTTPS_PROXY, value: "http://evil"}]}`, "spec.collector.env"},
	{"a proxy", `collector: {env: [{name: http_proxy, value: "http://evil"}]}`, "spec.collector.env"},
	{"code of a library", `collector: {env: [{name: LD_PRELOAD, value: /mnt/own}]}`, "spec.collector.env"},
	{"other names by the resolver", `collector: {env: [{name: LOCALDOMAIN, value: evil}]}`, "spec.collector.env"},
}, inEachSection()...)

// inEachSection are attempts with the fields that the three sections of NATS have alike.
func inEachSection() (out []attempt) {
	for _, section := range []string{"%s", "templateStore: {%s}", "output: {%s}"} {
		for field, value := range map[string]string{
			"a Secret as credentials": `credentials: {name: admin, key: a}`, "a Secret as an NKey": `nkey: {name: admin, key: a}`,
			"a Secret as a token": `token: {name: admin, key: a}`, "a Secret as a password": `user: {name: a, password: {name: admin, key: a}}`,
			"a Secret as a CA": `tls: {ca: {name: admin, key: a}}`, "a Secret as a certificate": `tls: {clientCertificate: {name: admin}}`,
			"a domain": `jetStreamDomain: others`, "requests": `apiPrefix: flows.other`, "answers": `inboxPrefix: flows.other`,
			"a server": `urls: ["nats://evil:4222"]`,
		} {
			out = append(out, attempt{field + " in " + fmt.Sprintf(section, "nats"), fmt.Sprintf(section, "nats: {"+value+"}"), "spec.nats"})
		}
	}
	return out
}

// installed is a cluster with the chart and values, whose policy refuses already, and a tenant of that name with a place of its own.
func installed(t *testing.T, name string, values ...string) (server *controllertest.Server, admin client.Client, place string, user client.Client) {
	t.Helper()
	server = controllertest.Start(t)
	admin, place = server.Client(t), server.Namespace(t)
	ensureNamespace(t, admin)
	helm(t, server, append([]string{"install", release, chart, "--take-ownership", "--force-conflicts"}, values...)...)
	t.Cleanup(func() { helm(t, server, "uninstall", release) })
	user = tenant(t, server, place, name)
	// The API server takes a policy up within a second or so.
	eventually(t, func() error {
		if err := user.Create(t.Context(), collector(t, place, "early", attempts[0].spec), client.DryRunAll); err == nil {
			return fmt.Errorf("the policy does not refuse yet")
		}
		return nil
	})
	return server, admin, place, user
}

func TestATenantGetsCollectorsAndNothingMore(t *testing.T) {
	server, admin, place, user := installed(t, "mallory")
	create := func(c client.Client, name, spec string) error {
		return c.Create(t.Context(), collector(t, place, name, spec), client.DryRunAll)
	}
	for _, a := range attempts {
		err := create(user, "attempt", a.spec)
		if err == nil {
			t.Errorf("%s: allowed", a.about)
			continue
		}
		for _, want := range []string{a.names, "privilege", "ask an administrator of the cluster", "flowfleet-flowcollector-privileged"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the refusal lacks %q: %v", a.about, want, err)
			}
		}
	}

	// What a tenant is for.
	for about, spec := range map[string]string{
		"nothing at all":        `{}`,
		"the quickstart":        `nats: {urls: ["nats://nats.nats:4222"]}`,
		"its own subjects":      fmt.Sprintf(`output: {subject: flows.%[1]s.x, stream: {subjects: ["flows.%[1]s.>"]}}`, place),
		"the operator's image":  `collector: {image: "ghcr.io/flowfleet/flowfleet:v1"}`,
		"volumes of its own":    `collector: {volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: x}}]}`,
		"files of its own":      mounted("/mnt/own/file"),
		"annotations of all":    `commonAnnotations: {prometheus.io/scrape: "true"}`,
		"scraping":              `collector: {annotations: {prometheus.io/scrape: "true"}}`,
		"plain variables":       `collector: {env: [{name: GOMAXPROCS, value: "2"}, {name: GOTRACEBACK, value: all}, {name: TZ, value: UTC}]}`,
		"nodes apart":           fmt.Sprintf(`collector: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, labelSelector: {}}, {topologyKey: b, namespaces: [%s], labelSelector: {}}]}, nodeAffinity: {}}}`, place),
		"a Service's scraping":  `service: {annotations: {prometheus.io/scrape: "false"}}`,
		"a spool of the pod's":  `output: {buffer: {spool: {}}}`,
		"listeners and Service": `{listeners: [{name: a, port: 9995}], service: {type: NodePort}, exporters: {allowedNetworks: ["10.0.0.0/8"]}}`,
	} {
		if err := create(user, "usual", spec); err != nil {
			t.Errorf("%s: %v", about, err)
		}
	}

	// Those who may read the namespace's Secrets may name them; privilege is for everything.
	reader := tenant(t, server, place, "reader", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	privileged := tenant(t, server, place, "trusted", rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"},
		Verbs: []string{"privilege"}})
	for _, a := range attempts {
		if err := create(privileged, "attempt", a.spec); err != nil && strings.Contains(err.Error(), "privilege") {
			t.Errorf("%s, with the verb: %v", a.about, err)
		}
		secret := strings.HasPrefix(a.about, "a Secret") && a.names != "spec.collector.volumes"
		if err := create(reader, "attempt", a.spec); secret != (err == nil) {
			t.Errorf("%s, by who may get Secrets: %v", a.about, err)
		}
	}

	// Who may create Services may give this one what annotations and labels one could give one's own.
	services := tenant(t, server, place, "servant", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"create"}})
	for _, a := range attempts {
		if err := create(services, "attempt", a.spec); strings.HasPrefix(a.names, "spec.service.") != (err == nil) {
			t.Errorf("%s, by who may create Services: %v", a.about, err)
		}
	}

	// What an administrator has set stays, and keeps nobody from changing the rest.
	fc := collector(t, place, "mixed", `collector: {hostNetwork: true, image: "other.example.com/a:v1", priorityClassName: important,
		volumes: [{name: ca, configMap: {name: ours}}], volumeMounts: [{name: ca, mountPath: /etc/ssl/certs}]}`)
	if err := admin.Create(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	for about, change := range map[string]struct {
		patch   string
		allowed bool
	}{
		"the rest":            {`{"spec":{"collector":{"logLevel":"debug"}}}`, true},
		"an annotation":       {`{"metadata":{"annotations":{"a":"b"}}}`, true},
		"less":                {`{"spec":{"collector":{"hostNetwork":null}}}`, true},
		"another image":       {`{"spec":{"collector":{"image":"other.example.com/b:v1"}}}`, false},
		"another such field":  {`{"spec":{"collector":{"volumes":[{"name":"root","hostPath":{"path":"/"}}]}}}`, false},
		"what is mounted":     {`{"spec":{"collector":{"volumes":[{"name":"ca","configMap":{"name":"own"}}]}}}`, false},
		"server for a Secret": {`{"spec":{"nats":{"urls":["nats://evil:4222"]}}}`, false},
	} {
		err := user.Patch(t.Context(), fc.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(change.patch)), client.DryRunAll)
		if change.allowed != (err == nil) {
			t.Errorf("changing %s: %v", about, err)
		}
	}
	if err := admin.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: "other"}}); err != nil {
		t.Errorf("the policy is about other kinds: %v", err)
	}
}

// What an administrator has given a fleet is no lever for others who may change the rest of it.
func TestATenantGetsNoMoreOutOfWhatAnAdministratorHasSet(t *testing.T) {
	_, admin, place, user := installed(t, "trudy")
	for about, test := range map[string]struct {
		spec, patch string
		names       string // empty where it is allowed
	}{
		"a larger buffer on tuned nodes": {`{listeners: [{name: a, port: 9995, receiveBuffer: 32Mi}], collector: {nodeTuning: ReceiveBuffer}}`,
			`{"listeners":[{"name":"a","port":9995,"receiveBuffer":"1Gi"}]}`, "spec.listeners.receiveBuffer"},
		"a further listener with a larger buffer": {`{listeners: [{name: a, port: 9995, receiveBuffer: 32Mi}], collector: {nodeTuning: ReceiveBuffer}}`,
			`{"listeners":[{"name":"a","port":9995,"receiveBuffer":"32Mi"},{"name":"b","port":9996,"receiveBuffer":"33Mi"}]}`, "spec.listeners.receiveBuffer"},
		"the default, which is larger": {`{listeners: [{name: a, port: 9995, receiveBuffer: 1Mi}], collector: {nodeTuning: ReceiveBuffer}}`,
			`{"listeners":[{"name":"a","port":9995}]}`, "spec.listeners.receiveBuffer"},
		"a smaller one": {`{listeners: [{name: a, port: 9995, receiveBuffer: 32Mi}], collector: {nodeTuning: ReceiveBuffer}}`,
			`{"listeners":[{"name":"a","port":9995,"receiveBuffer":1048576}]}`, ""},
		"a larger one where nodes are left alone": {`{listeners: [{name: a, port: 9995, receiveBuffer: 32Mi}]}`,
			`{"listeners":[{"name":"a","port":9995,"receiveBuffer":"1Gi"}]}`, ""},
		"another port of the nodes": {`{listeners: [{name: a, port: 9995}], collector: {hostNetwork: true}}`,
			`{"listeners":[{"name":"a","port":51820}]}`, "spec.listeners.port"},
		"another port of the nodes for metrics": {`{listeners: [{name: a, port: 9995}], collector: {hostNetwork: true, metricsPort: 9090}}`,
			`{"collector":{"metricsPort":10250}}`, "collector.metricsPort"},
		"files of a container beside the collector": {`collector: {sidecars: [{name: b, image: "b:v1"}], volumes: [{name: v, configMap: {name: ours}}]}`,
			`{"collector":{"volumes":[{"name":"v","configMap":{"name":"own"}}]}}`, "spec.collector.volumes"},
		"flows for the server of the bucket, with its Secret": {`templateStore: {nats: {urls: ["nats://other:4222"], token: {name: admin, key: token}}}`,
			`{"templateStore":{"nats":null},"output":{"nats":{"urls":["nats://other:4222"],"token":{"name":"admin","key":"token"}}}}`, "spec.nats"},
		"a variable beside an administrator's": {`collector: {env: [{name: SSL_CERT_FILE, value: /etc/ours}]}`,
			`{"collector":{"env":[{"name":"SSL_CERT_FILE","value":"/etc/ours"},{"name":"TZ","value":"UTC"}]}}`, ""},
		"the value of an administrator's": {`collector: {env: [{name: SSL_CERT_FILE, value: /etc/ours}]}`,
			`{"collector":{"env":[{"name":"SSL_CERT_FILE","value":"/mnt/own"}]}}`, "spec.collector.env"},
	} {
		t.Run(about, func(t *testing.T) {
			fc := collector(t, place, "given", test.spec)
			if err := admin.Create(t.Context(), fc); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := admin.Delete(t.Context(), fc); err != nil {
					t.Error(err)
				}
			}()
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+test.patch+`}`))
			err := user.Patch(t.Context(), fc.DeepCopy(), patch, client.DryRunAll)
			switch {
			case test.names == "" && err != nil, test.names != "" && (err == nil || !strings.Contains(err.Error(), test.names) || !strings.Contains(err.Error(), "privilege")):
				t.Errorf("changed to %s: %v", test.patch, err)
			}
			if err := admin.Patch(t.Context(), fc.DeepCopy(), patch, client.DryRunAll); err != nil {
				t.Errorf("the administrator: %v", err)
			}
		})
	}
}

func TestServersOnTheListMayHaveIPv6Addresses(t *testing.T) {
	server, _, place, user := installed(t, "oscar")
	helm(t, server, "upgrade", release, chart, "--force-conflicts", "--set-json", `tenants.nats=["[2001:DB8::1]:4223","[2001:db8::2]","nats.example.com"]`)
	create := func(url string) error {
		return user.Create(t.Context(), collector(t, place, "sixth", fmt.Sprintf(`nats: {urls: [%q]}`, url)), client.DryRunAll)
	}
	eventually(t, func() error { return create("nats://[2001:db8::1]:4223") })
	for url, allowed := range map[string]bool{
		"nats://[2001:db8::2]": true, "tls://[2001:DB8::2]:4222": true, "nats://nats.example.com": true, "tls://NATS.example.com:4222": true,
		"nats://[2001:db8::1]": false, "nats://[2001:db8::3]:4222": false, "wss://[2001:db8::2]": false, "nats://nats.example.com:443": false,
	} {
		if err := create(url); allowed != (err == nil) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
