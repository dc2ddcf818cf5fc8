package install_test

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	ownImage  = "ghcr.io/flowfleet/flowfleet:v2"
	teamImage = "registry.example.com/team/shell:v1" // one of tenants.images
)

// A fleet to which an administrator has given something of the nodes, Secrets or a priority, and what others would make of it.
var leverAttempts = []struct {
	about, spec, patch string
	names              string // empty where it is allowed
}{
	{"an own program as root of the nodes", `collector: {nodeTuning: ReceiveBuffer}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program on the nodes' network", `collector: {hostNetwork: true}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with the nodes' files", `collector: {volumes: [{name: v, hostPath: {path: /srv}}]}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with the spool on the nodes", `output: {buffer: {spool: {hostPath: {path: /srv/spool}}}}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with a claim", `collector: {volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with another account", `collector: {serviceAccountName: cloud}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with a token", `nats: {token: {name: admin, key: token}}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with the stream's password", `output: {nats: {user: {name: a, password: {name: admin, key: token}}}}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with a Secret of the environment", `collector: {env: [{name: A, valueFrom: {secretKeyRef: {name: admin, key: token}}}]}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with a Secret's variables", `collector: {envFrom: [{secretRef: {name: admin}}]}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with another label of SELinux", `collector: {securityContext: {seLinuxOptions: {type: spc_t}}}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with another network by annotation", `collector: {annotations: {k8s.v1.cni.cncf.io/networks: core}}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with another network by the annotations of all objects", `commonAnnotations: {k8s.v1.cni.cncf.io/networks: core}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with another label that network policies go by", `collector: {labels: {access: database}}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with another label of all objects that network policies go by", `commonLabels: {access: database}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with another runtime", `collector: {runtimeClassName: privileged}`,
		`{"collector":{"image":"` + teamImage + `"}}`, "spec.collector.image"},
	{"an own program with annotations for everybody", `collector: {annotations: {prometheus.io/scrape: "true"}}`,
		`{"collector":{"image":"` + teamImage + `"}}`, ""},
	{"the operator's program in another version", `{collector: {nodeTuning: ReceiveBuffer}, nats: {token: {name: admin, key: token}}}`,
		`{"collector":{"image":"` + ownImage + `"}}`, ""},
	{"an own program instead of what it was given for", `collector: {hostNetwork: true}`,
		`{"collector":{"hostNetwork":null,"image":"` + teamImage + `"}}`, ""},
	{"an own program with nothing of others", `collector: {volumes: [{name: v, configMap: {name: own}}]}`,
		`{"collector":{"image":"` + teamImage + `"}}`, ""},

	{"other nodes with their network", `collector: {hostNetwork: true, nodeSelector: {role: edge}}`,
		`{"collector":{"nodeSelector":null}}`, "spec.collector.nodeSelector"},
	{"the control plane, with a privileged container", `collector: {nodeTuning: ReceiveBuffer}`,
		`{"collector":{"tolerations":[{"operator":"Exists"}]}}`, "spec.collector.nodeSelector"},
	{"other nodes with their files", `collector: {volumes: [{name: v, hostPath: {path: /srv}}]}`,
		`{"collector":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"role","operator":"In","values":["database"]}]}]}}}}}`,
		"spec.collector.nodeSelector"},
	{"other nodes with the spool", `output: {buffer: {spool: {hostPath: {path: /srv/spool}}}}`,
		`{"collector":{"tolerations":[{"operator":"Exists"}]}}`, "spec.collector.nodeSelector"},
	{"other nodes for a privileged container beside the collector", `collector: {sidecars: [{name: b, image: "b:v1", securityContext: {privileged: true}}]}`,
		`{"collector":{"tolerations":[{"operator":"Exists"}]}}`, "spec.collector.nodeSelector"},
	{"other nodes for a privileged container before the collector", `collector: {initContainers: [{name: b, image: "b:v1", securityContext: {privileged: true}}]}`,
		`{"collector":{"nodeSelector":{"role":"database"}}}`, "spec.collector.nodeSelector"},
	{"other nodes with another label of SELinux", `collector: {securityContext: {seLinuxOptions: {type: spc_t}}}`,
		`{"collector":{"tolerations":[{"operator":"Exists"}]}}`, "spec.collector.nodeSelector"},
	{"other nodes before other pods", `collector: {priorityClassName: important}`,
		`{"collector":{"tolerations":[{"operator":"Exists"}]}}`, "spec.collector.nodeSelector"},
	{"other nodes with nothing of them", `nats: {token: {name: admin, key: token}}`,
		`{"collector":{"tolerations":[{"operator":"Exists"}]}}`, ""},

	{"all room of a node before other pods", `collector: {priorityClassName: important}`,
		`{"collector":{"resources":{"requests":{"cpu":"64"}}}}`, "spec.collector.resources"},
	{"more room behind other pods", `{}`, `{"collector":{"resources":{"requests":{"cpu":"64"}}}}`, ""},

	{"all of the nodes' disks", `output: {buffer: {spool: {hostPath: {path: /srv/spool}, maxBytes: 1Gi}}}`,
		`{"output":{"buffer":{"spool":{"maxBytes":"16Ti"}}}}`, "spec.output.buffer.spool.maxBytes"},
	{"the default, which is larger", `output: {buffer: {spool: {hostPath: {path: /srv/spool}, maxBytes: 1Gi}}}`,
		`{"output":{"buffer":{"spool":{"maxBytes":null}}}}`, "spec.output.buffer.spool.maxBytes"},
	{"less of the nodes' disks", `output: {buffer: {spool: {hostPath: {path: /srv/spool}}}}`,
		`{"output":{"buffer":{"spool":{"maxBytes":1073741824}}}}`, ""},
	{"a larger spool in the pod's own directory", `output: {buffer: {spool: {maxBytes: 1Gi}}}`,
		`{"output":{"buffer":{"spool":{"maxBytes":"2Gi"}}}}`, ""},

	{"all flows of a stream that others share", `output: {stream: {name: shared, managed: false}}`,
		`{"output":{"consumers":[{"name":"mine"}]}}`, "output.consumers"},
	{"all flows of a stream with others' subjects", `output: {stream: {subjects: ["flows.>"]}}`,
		`{"output":{"consumers":[{"name":"mine"}]}}`, "output.consumers"},
	{"no place of a reader of others in it", `output: {stream: {name: shared}, consumers: [{name: theirs}]}`,
		`{"output":{"consumers":null}}`, "output.consumers"},
	{"an end of all its flows", `output: {stream: {name: shared}}`,
		`{"output":{"stream":{"deletionPolicy":"Delete"}}}`, "spec.output.stream"},
	{"an end of its older flows", `output: {stream: {name: shared, allowReduction: true}}`,
		`{"output":{"stream":{"maxAge":"1m"}}}`, "spec.output.stream"},
	{"to have made what others made", `output: {stream: {name: shared, managed: false}}`,
		`{"output":{"stream":{"managed":true}}}`, "spec.output.stream"},
	{"all flows of a stream that keeps others' subjects", `output: {stream: {subjects: ["flows.>"]}}`,
		`{"output":{"stream":{"subjects":null},"consumers":[{"name":"mine"}]}}`, "output.consumers"},
	{"a stream with others' subjects without them, for later", `output: {stream: {subjects: ["flows.>"]}}`,
		`{"output":{"stream":{"subjects":null}}}`, "spec.output.stream"},
	{"all flows of a subject that others have", `output: {subject: corp}`, `{"output":{"consumers":[{"name":"mine"}]}}`, "output.consumers"},
	{"an end of all flows of a subject that others have", `output: {subject: corp}`,
		`{"output":{"stream":{"deletionPolicy":"Delete"}}}`, "spec.output.stream"},
	{"another subject, for later", `output: {subject: corp}`, `{"output":{"subject":null}}`, "output.subject"},
	{"an end of others' templates", `templateStore: {bucket: shared}`, `{"templateStore":{"deletionPolicy":"Delete"}}`, "spec.templateStore"},
	{"a stream of that name on another server", `{nats: {urls: ["nats://corp:4222"]}, output: {stream: {name: shared, managed: false}}}`,
		`{"nats":{"urls":["nats://nats.nats:4222"]}}`, "spec.nats"},
	{"a bucket of that name on another server", `{templateStore: {bucket: shared, nats: {urls: ["nats://corp:4222"]}}}`,
		`{"templateStore":{"nats":null}}`, "spec.templateStore"},
	{"a stream of that name in another domain", `{output: {stream: {name: shared, managed: false}, nats: {jetStreamDomain: leaf}}}`,
		`{"output":{"nats":{"jetStreamDomain":null}}}`, "spec.nats"},
	{"a stream of that name in another account", `{nats: {token: {name: admin, key: token}}, output: {stream: {name: shared, managed: false}}}`,
		`{"nats":{"token":null}}`, "spec.nats"},
	{"others' subjects in another account", `{output: {subject: shared, nats: {token: {name: admin, key: token}}}}`, `{"output":{"nats":null}}`, "spec.nats"},
	{"a bucket of that name in another account", `{templateStore: {bucket: shared}, nats: {credentials: {name: admin, key: user.creds}}}`,
		`{"nats":{"credentials":null}}`, "spec.nats"},
	{"the own stream without a token", `{nats: {token: {name: admin, key: token}}, output: {stream: {maxAge: 1h}}}`, `{"nats":{"token":null}}`, ""},
	{"the own stream on another server", `{nats: {urls: ["nats://corp:4222"]}, output: {stream: {maxAge: 1h}}}`, `{"nats":{"urls":["nats://nats.nats:4222"]}}`, ""},
	{"an own bucket's bounds", `templateStore: {ttl: 24h}`, `{"templateStore":{"ttl":"48h","deletionPolicy":"Delete"}}`, ""},
	{"an own stream's readers and bounds", `output: {stream: {maxAge: 1h}}`,
		`{"output":{"stream":{"maxAge":"2h","deletionPolicy":"Delete"},"consumers":[{"name":"mine"}]}}`, ""},
	{"the rest of a fleet whose stream others share", `output: {stream: {name: shared}}`, `{"output":{"batch":{"maxAge":"1s"}}}`, ""},

	{"another's files by their user", `collector: {volumes: [{name: v, hostPath: {path: /srv}}]}`,
		`{"collector":{"securityContext":{"runAsUser":1000}}}`, "spec.collector.securityContext"},
	{"another's files by their group", `output: {buffer: {spool: {hostPath: {path: /srv/spool}}}}`,
		`{"collector":{"securityContext":{"runAsGroup":1000}}}`, "spec.collector.securityContext"},
	{"a claim whose files get another group", `collector: {volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}`,
		`{"collector":{"securityContext":{"fsGroup":1000}}}`, "spec.collector.securityContext"},
	{"another user of a container beside the collector", `collector: {sidecars: [{name: b, image: "b:v1"}]}`,
		`{"collector":{"securityContext":{"assignedByPlatform":true}}}`, "spec.collector.securityContext"},
	{"another user of the collector alone", `nats: {token: {name: admin, key: token}}`, `{"collector":{"securityContext":{"runAsUser":1000}}}`, ""},
}

func TestWhatAnAdministratorHasGivenAFleetIsNoLeverForOthers(t *testing.T) {
	server, admin, place, user := installed(t, "sybil", "--set", "tenants.images={registry.example.com/team/}")
	reader := tenant(t, server, place, "olivia", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	for _, a := range leverAttempts {
		t.Run(a.about, func(t *testing.T) {
			fc := collector(t, place, "given", a.spec)
			if err := admin.Create(t.Context(), fc); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := admin.Delete(t.Context(), fc); err != nil {
					t.Error(err)
				}
			}()
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+a.patch+`}`))
			checkRefusal(t, user.Patch(t.Context(), fc.DeepCopy(), patch, client.DryRunAll), a.names, "flowfleet-flowcollector-privileged")
			if err := admin.Patch(t.Context(), fc.DeepCopy(), patch, client.DryRunAll); err != nil {
				t.Errorf("the administrator: %v", err)
			}
			// Who reads the Secrets anyway gets nothing by a program of one's own.
			if err := reader.Patch(t.Context(), fc.DeepCopy(), patch, client.DryRunAll); err != nil && strings.Contains(a.spec, "nats:") && !strings.Contains(a.spec, "shared") {
				t.Errorf("who may get Secrets: %v", err)
			}
		})
	}
}

// checkRefusal checks that an error refuses what a field asks for, and says whom to ask; or that nothing is refused where there is no name.
func checkRefusal(t *testing.T, err error, names, role string) {
	t.Helper()
	if names == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Error("allowed")
		return
	}
	for _, want := range []string{names, "privilege", "ask an administrator of the cluster", role} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal lacks %q: %v", want, err)
		}
	}
}
