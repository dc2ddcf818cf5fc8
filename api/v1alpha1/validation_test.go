package v1alpha1_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// rule tries one CEL rule of the schema. Values are YAML.
type rule struct {
	path    string // of the schema that has the rule
	says    string // part of its message, which no other rule of that path has
	at      string // where the values go, where that is not the path
	valid   []string
	invalid []string
	// Changes of an object that exists.
	validChange   []change
	invalidChange []change
}

type change struct{ from, to string }

var rules = slices.Concat([]rule{
	{
		path: "", says: "a DNS label of at most 40 characters", at: "metadata.name",
		valid:   []string{"a", "edge-1", strings.Repeat("a", 40)},
		invalid: []string{"1a", "a.b", strings.Repeat("a", 41)},
	},

	// Listeners.
	{
		path: "spec.listeners", says: "the same port",
		valid:   []string{"[{name: a, port: 2055}, {name: b, port: 2056}]", "[{name: a, port: 2055, protocol: Auto}]"},
		invalid: []string{"[{name: a, port: 2055}, {name: b, port: 2055}]", "[{name: a, port: 1}, {name: b, port: 2}, {name: c, port: 1}]"},
	},
	{
		path: "spec.listeners", says: "the same nodePort",
		valid:   []string{"[{name: a, port: 1, nodePort: 30001}, {name: b, port: 2, nodePort: 30002}, {name: c, port: 3}, {name: d, port: 4}]"},
		invalid: []string{"[{name: a, port: 1, nodePort: 30001}, {name: b, port: 2}, {name: c, port: 3, nodePort: 30001}]"},
	},
	{
		path: "spec.listeners", says: "has the name metrics",
		valid:   []string{"[{name: metric, port: 1}]"},
		invalid: []string{"[{name: metrics, port: 1}]"},
	},
	{
		path: "spec.listeners[].receiveBuffer", says: "from 64Ki to 1Gi", at: "spec.listeners[]",
		valid:   []string{"{name: a, port: 1, receiveBuffer: 64Ki}", "{name: a, port: 1, receiveBuffer: 65536}", "{name: a, port: 1, receiveBuffer: 1Gi}"},
		invalid: []string{"{name: a, port: 1, receiveBuffer: 63Ki}", "{name: a, port: 1, receiveBuffer: 1025Mi}", "{name: a, port: 1, receiveBuffer: 0}"},
	},
	{
		path: "spec", says: "Changes needs names that collectors learn",
		valid: []string{"{output: {names: Changes}}", "{output: {names: Changes}, decoding: {}}", "{output: {names: None}, decoding: {names: []}}",
			"{output: {names: Changes}, decoding: {names: [interfaces]}}", "{decoding: {names: []}}"},
		invalid: []string{"{output: {names: Changes}, decoding: {names: []}}"},
	},
	{
		path: "spec", says: "a nodePort needs the service.type",
		valid: []string{
			"{listeners: [{name: a, port: 1, nodePort: 30001}]}",
			"{listeners: [{name: a, port: 1, nodePort: 30001}], service: {type: NodePort}}",
			"{listeners: [{name: a, port: 1}], service: {type: ClusterIP}}",
		},
		invalid: []string{
			"{listeners: [{name: a, port: 1, nodePort: 30001}], service: {type: ClusterIP}}",
			"{listeners: [{name: a, port: 1}, {name: b, port: 2, nodePort: 30001}], service: {type: None}}",
		},
	},
	{
		path: "spec", says: "ports below 1024",
		valid: []string{
			"{collector: {hostNetwork: true}, listeners: [{name: a, port: 1024}]}",
			"{collector: {hostNetwork: false}, listeners: [{name: a, port: 514}]}",
			"{collector: {hostNetwork: true}}",
		},
		invalid: []string{"{collector: {hostNetwork: true}, listeners: [{name: a, port: 2055}, {name: b, port: 1023}]}"},
	},

	// Networks of exporters.
	{
		path: "spec.exporters.allowedNetworks[]", says: "a network such as",
		valid:   []string{"10.0.0.0/8", "192.0.2.1/32", `"2001:db8::/32"`, `"::/0"`},
		invalid: []string{"10.0.0.1", "10.0.0.0/33", "everything", `"2001:db8::/129"`},
	},
	{
		path: "spec.exporters.names[].network", says: "a network such as", at: "spec.exporters.names[]",
		valid:   []string{"{network: 192.0.2.1/32, name: a}", "{network: '2001:db8::/32', name: a}"},
		invalid: []string{"{network: 192.0.2.1, name: a}", "{network: router, name: a}"},
	},
	{
		path: "spec.exporters.names[].name", says: "no control characters", at: "spec.exporters.names[]",
		valid:   []string{"{network: 192.0.2.1/32, name: edge 1 (Köln)}"},
		invalid: []string{`{network: 192.0.2.1/32, name: "a\x1b[2J"}`, `{network: 192.0.2.1/32, name: " a"}`, `{network: 192.0.2.1/32, name: "a "}`},
	},
	{
		path: "spec.exporters.sampling.defaults[].network", says: "a network such as", at: "spec.exporters.sampling.defaults[]",
		valid:   []string{"{network: 10.0.0.0/8, rate: 1000}"},
		invalid: []string{"{network: 10.0.0.1, rate: 1000}"},
	},
	{
		path: "spec.exporters.sampling.overrides[].network", says: "a network such as", at: "spec.exporters.sampling.overrides[]",
		valid:   []string{`{network: "2001:db8::/48", rate: 1}`},
		invalid: []string{`{network: "", rate: 1}`},
	},

	// The memory that the output takes.
	{
		path: "spec", says: "would be killed before its buffer is full",
		valid: []string{
			"{output: {buffer: {maxBytes: 1000Mi}}}",
			"{output: {buffer: {maxBytes: 1Gi}}, collector: {resources: {limits: {memory: 2Gi}}}}",
			"{output: {buffer: {maxBytes: 8Gi}}, collector: {resources: {limits: {cpu: 2}}}}",
			"{output: {buffer: {maxBytes: 8Gi}}, collector: {resources: {}}}",
			"{collector: {resources: {limits: {memory: 64Mi}}}}",
			"{output: {buffer: {maxBytes: 2Mi, inFlightBytes: 1Mi}}, collector: {resources: {limits: {memory: 67108864}}}}",
		},
		invalid: []string{
			"{output: {buffer: {maxBytes: 1Gi}}}",
			"{output: {buffer: {maxBytes: 2Gi}}, collector: {resources: {limits: {memory: 2Gi}}}}",
			"{output: {buffer: {maxBytes: 2Gi}}, collector: {resources: {limits: {memory: 67108864}}}}",
		},
	},
	{
		path: "spec.output.buffer", says: "it is part of buffer.maxBytes",
		valid:   []string{"{inFlightBytes: 256Mi}", "{inFlightBytes: 8Mi, maxBytes: 8Mi}"},
		invalid: []string{"{inFlightBytes: 257Mi}", "{inFlightBytes: 9Mi, maxBytes: 8Mi}"},
	},
	{
		path: "spec.output.buffer.spool", says: "choose one of emptyDir and hostPath",
		valid:   []string{"{}", "{emptyDir: {}}", "{hostPath: {path: /var/spool}}"},
		invalid: []string{"{emptyDir: {}, hostPath: {path: /var/spool}}"},
	},
	{
		path: "spec.output.buffer.spool.hostPath.path", says: "without '..'",
		valid:   []string{"/var/lib/flowfleet"},
		invalid: []string{"/var/../etc"},
	},

	// Subjects and streams.
	{
		path: "spec.output.stream.subjects[]", says: "a subject such as",
		valid:   []string{"flows.>", "flows.*.edge.*", "a", "flows.a:b"},
		invalid: []string{`">"`, `"*.flows"`, "flows.", `".flows"`, "flows.>.a", "a*.b", `"a b"`, `"$JS.>"`, `""`},
	},
	{
		path: "spec.output", says: "they do not take in all flows",
		valid: []string{
			"{subject: a.b, stream: {subjects: [a.b.>]}}",
			"{subject: a.b, stream: {subjects: [x.y, a.>]}}",
			"{subject: a, stream: {subjects: [a.netflow5, a.netflow9, a.ipfix, a.sflow]}}",
			"{subject: a, stream: {subjects: ['a.*']}}",
			"{subject: a, stream: {subjects: [b.>], managed: false}}",
			"{stream: {subjects: [b.>]}}",
			"{subject: a}",
		},
		invalid: []string{
			"{subject: a, stream: {subjects: [b.>]}}",
			"{subject: a.b, stream: {subjects: [a.bc.>]}}",
			"{subject: a, stream: {subjects: [a]}}",
			"{subject: a, stream: {subjects: [a.netflow9, a.ipfix, a.sflow]}}",
		},
	},
	{
		path: "spec.output.stream.name", says: "hold key-value buckets",
		valid:   []string{"FLOWS", "KVflows"},
		invalid: []string{"KV_flowfleet", "OBJ_a"},
	},
	{
		path: "spec.output.stream", says: "a stream that is not managed is never deleted",
		valid:   []string{"{managed: false}", "{managed: true, deletionPolicy: Delete}", "{deletionPolicy: Delete}"},
		invalid: []string{"{managed: false, deletionPolicy: Delete}"},
	},
	{
		path: "spec.output.stream", says: "stream.name cannot change",
		validChange:   []change{{"{name: a}", "{name: a, maxAge: 1h}"}, {"{}", "{maxAge: 1h}"}},
		invalidChange: []change{{"{name: a}", "{name: b}"}, {"{name: a}", "{}"}, {"{}", "{name: a}"}},
	},
	{
		path: "spec.output.stream.replicas", says: "1, 3 or 5",
		valid:   []string{"1", "3", "5"},
		invalid: []string{"2", "0", "-1", "7"},
	},
	{
		path: "spec.templateStore.replicas", says: "1, 3 or 5",
		valid:   []string{"1", "3", "5"},
		invalid: []string{"2", "0", "4", "7"},
	},
	{
		path: "spec.templateStore", says: "templateStore.bucket cannot change",
		validChange:   []change{{"{bucket: a}", "{bucket: a, history: 3}"}, {"{}", "{history: 3}"}},
		invalidChange: []change{{"{bucket: a}", "{bucket: b}"}, {"{bucket: a}", "{}"}, {"{}", "{bucket: a}"}},
	},

	// Sizes. An exponent would keep the API server busy with numbers of as many digits.
	span("spec.exporters.heldData.maxBytes", "heldData.maxBytes: from 1Ki to 1Ti", "1Ki", "1Ti", "1023", "1025Gi", "0"),
	span("spec.exporters.heldData.maxBytesPerExporter", "maxBytesPerExporter: from 1Ki to 1Ti", "1Ki", "1Ti", "1023", "1025Gi"),
	span("spec.output.batch.maxBytes", "from 1Ki to 900Ki", "1Ki", "900Ki", "1023", "901Ki"),
	span("spec.output.buffer.inFlightBytes", "from 1Mi to 1Ti", "1Mi", "256Mi", "1023Ki", "1025Gi"),
	span("spec.output.buffer.spool.maxBytes", "from 64Mi to 16Ti", "64Mi", "16Ti", "63Mi", "17Ti"),
	span("spec.output.buffer.spool.resendBytesPerSecond", "from 1Mi to 1Ti", "1Mi", "1Ti", "1023Ki", "1025Gi"),
	span("spec.output.stream.maxBytes", "from 1Mi to 1Pi", "1Mi", "1Pi", "1023Ki", "1025Ti", `"1e30"`, `"1e9999999999"`),
	span("spec.templateStore.maxBytes", "from 1Mi to 1Ti", "1Mi", "1Ti", "1023Ki", "1025Gi"),
	{
		path: "spec.output.buffer.maxBytes", says: "from 1Mi to 1Ti", at: "spec",
		valid: []string{
			"{output: {buffer: {maxBytes: 1Mi}}}",
			"{output: {buffer: {maxBytes: 1Ti}}, collector: {resources: {}}}",
		},
		invalid: []string{
			"{output: {buffer: {maxBytes: 1023Ki}}}",
			"{output: {buffer: {maxBytes: 1025Gi}}, collector: {resources: {}}}",
			`{output: {buffer: {maxBytes: "1e9999999999"}}}`,
		},
	},

	// Time spans.
	span("spec.collector.drainTime", "drainTime: from", "1s", "10m", "10m1s"),
	{
		path: "spec.output.consumers[].ackWait", says: "from 1s to 1h", at: "spec.output.consumers[]",
		valid:   []string{"{name: a, ackWait: 1s}", "{name: a, ackWait: 1h}"},
		invalid: []string{"{name: a, ackWait: 999ms}", "{name: a, ackWait: 1h1s}"},
	},
	{
		path: "spec.output.consumers[].replicas", says: "1, 3 or 5", at: "spec.output.consumers[]",
		valid:   []string{"{name: a}", "{name: a, replicas: 1}", "{name: a, replicas: 3}", "{name: a, replicas: 5}"},
		invalid: []string{"{name: a, replicas: 2}", "{name: a, replicas: 6}"},
	},
	{
		path: "spec.output", says: "it is for the encoding JSON only",
		valid:   []string{"{scaledVolumes: true, encoding: JSON}", "{scaledVolumes: false}", "{encoding: JSON}"},
		invalid: []string{"{scaledVolumes: true}", "{scaledVolumes: true, encoding: Protobuf}"},
	},
	span("spec.output.stream.duplicateWindow", "duplicateWindow: from", "100ms", "1h", "99ms", "1h1s"),
	span("spec.collector.progressDeadline", "progressDeadline: from", "1m", "24h", "24h1s"),
	span("spec.exporters.heldData.maxAge", "from 1s to 24h", "1s", "24h", "999ms", "24h1s"),
	span("spec.output.batch.maxAge", "from 1ms to 1m", "1ms", "1m", "0s", "61s"),
	span("spec.output.buffer.spool.after", "from 100ms to 1h", "100ms", "1h", "99ms", "1h1s"),
	span("spec.output.stream.maxAge", "from 1m to 87840h", "1m", "87840h", "59s", "87841h"),
	span("spec.templateStore.loadTimeout", "from 1s to 1h", "1s", "1h", "0s", "61m"),
	span("spec.templateStore.ttl", "ttl: from 10m", "10m", "8784h", "9m59s", "8785h", "0s"),

	// Pods.
	{
		path: "spec.collector", says: "there can be no surge",
		valid: []string{
			"{hostNetwork: true}", "{hostNetwork: true, updateStrategy: {maxSurge: 0}}",
			"{hostNetwork: true, updateStrategy: {maxSurge: 0%, maxUnavailable: 10%}}", "{updateStrategy: {maxSurge: 2}}",
		},
		invalid: []string{"{hostNetwork: true, updateStrategy: {maxSurge: 1}}", "{hostNetwork: true, updateStrategy: {maxSurge: 10%}}"},
	},
	{
		path: "spec.collector", says: "maxUnavailable cannot be 0",
		valid:   []string{"{hostNetwork: true, updateStrategy: {maxUnavailable: 2}}", "{updateStrategy: {maxUnavailable: 0}}"},
		invalid: []string{"{hostNetwork: true, updateStrategy: {maxUnavailable: 0}}", "{hostNetwork: true, updateStrategy: {maxUnavailable: 0%}}"},
	},
	{
		path: "spec.collector.updateStrategy", says: "exclude each other",
		valid:   []string{"{maxSurge: 1, maxUnavailable: 0}", "{maxSurge: 0, maxUnavailable: 50%}", "{maxSurge: 5}", "{maxUnavailable: 3}", "{}"},
		invalid: []string{"{maxSurge: 1, maxUnavailable: 1}", "{maxSurge: 10%, maxUnavailable: 1}"},
	},
	{
		path: "spec.collector.updateStrategy", says: "cannot both be 0",
		valid:   []string{"{maxSurge: 0}", "{maxUnavailable: 0}", "{maxSurge: 0%, maxUnavailable: 1}"},
		invalid: []string{"{maxSurge: 0, maxUnavailable: 0}", "{maxSurge: 0%, maxUnavailable: 0}"},
	},
	{
		path: "spec.collector.updateStrategy.maxSurge", says: "a number of nodes such as 1",
		valid:   []string{"0", "7", "0%", "100%"},
		invalid: []string{"-1", "5000000000", "'5'", "101%", "1.5%", "many", "00%"},
	},
	{
		path: "spec.collector.updateStrategy.maxUnavailable", says: "a number of nodes such as 1",
		valid:   []string{"1", "33%", "100%"},
		invalid: []string{"-1", "5000000000", "'5'", "101%", `"%"`},
	},
	{
		path: "spec.collector.envFrom[]", says: "choose one of configMapRef and secretRef", at: "spec.collector.envFrom",
		valid:   []string{"[{configMapRef: {name: a}}, {prefix: A_, secretRef: {name: b, optional: true}}]"},
		invalid: []string{"[{}]", "[{prefix: A_}]", "[{configMapRef: {name: a}, secretRef: {name: b}}]"},
	}, {
		path: "spec.collector.securityContext", says: "ids that the platform assigns cannot be set",
		valid:   []string{"{assignedByPlatform: true}", "{runAsUser: 1000, runAsGroup: 1, fsGroup: 2}", "{assignedByPlatform: false, runAsUser: 5}"},
		invalid: []string{"{assignedByPlatform: true, runAsUser: 5}", "{assignedByPlatform: true, runAsGroup: 5}", "{assignedByPlatform: true, fsGroup: 5}"},
	}, {
		path: "spec.commonLabels", says: "the operator sets the labels",
		valid:   []string{"{}", "{team: network}"},
		invalid: []string{"{app.kubernetes.io/name: a}", "{app.kubernetes.io/instance: a}", "{app.kubernetes.io/component: a}", "{app.kubernetes.io/managed-by: a}"},
	}, {
		path: "spec.commonAnnotations", says: "the operator sets annotations that begin with flowfleet.io/ itself",
		valid:   []string{"{}", "{team: network}", "{example.org/flowfleet.io: a}"},
		invalid: []string{"{flowfleet.io/applied: a}", "{flowfleet.io/turn: Ready}", "{team: network, flowfleet.io/asked: a}"},
	}, {
		path: "spec.output.stream.placement", says: "name a cluster, tags, or both",
		valid:   []string{"{cluster: a}", "{tags: [ssd]}", "{cluster: a, tags: [ssd]}"},
		invalid: []string{"{}"},
	}, {
		path: "spec.collector.minReady", says: "a number of nodes from 1 on",
		valid:   []string{"1", "1000", `"1%"`, `"90%"`, `"100%"`},
		invalid: []string{"0", "-1", `"0%"`, `"101%"`, `"many"`, `"5"`},
	}, {
		path: "spec.collector", says: "at least drainTime and 15 s",
		valid:   []string{"{terminationGracePeriodSeconds: 30}", "{drainTime: 1m, terminationGracePeriodSeconds: 75}", "{drainTime: 1m}"},
		invalid: []string{"{terminationGracePeriodSeconds: 29}", "{drainTime: 1m, terminationGracePeriodSeconds: 74}"},
	},
	{
		path: "spec.collector.env", says: "leave them out",
		valid:   []string{"[{name: GOMAXPROCS, value: '2'}]"},
		invalid: []string{"[{name: GOMEMLIMIT, value: 1GiB}]", "[{name: A}, {name: POD_NAME}]", "[{name: NODE_NAME}]"},
	},
	{
		path: "spec.collector.env", says: "choose one of value and valueFrom",
		valid:   []string{"[{name: A, value: b}, {name: C, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: D}]"},
		invalid: []string{"[{name: A, value: b, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]"},
	},
	{
		path: "spec.collector.env", says: "resourceFieldRef.divisor",
		valid: []string{"[{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}, {name: B, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1}}}]",
			"[{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: '0'}}}, {name: B, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]"},
		invalid: []string{"[{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: '1e1.5'}}}]", "[{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}]"},
	},
	{
		path: "spec.collector.resources.limits", says: "resources.limits: quantities",
		valid:   []string{"{cpu: 1500m, memory: 1.5Gi, example.com/nic: 1}", "{cpu: 2, memory: 1073741824}", "{}"},
		invalid: []string{`{memory: "1e9999999999"}`, "{cpu: -1}", `{ephemeral-storage: "1e3"}`},
	},
	{
		path: "spec.collector.resources.requests", says: "resources.requests: quantities",
		valid:   []string{"{cpu: 100m, memory: 64Mi}"},
		invalid: []string{`{cpu: "1e9999999999"}`},
	},
	{
		path: "spec.collector.resources.limits", says: "resources.limits: no quantity",
		valid:   []string{"{example.com/nic: 1, cpu: 2}", "{example.com/nic: '1'}"},
		invalid: []string{"{example.com/nic: '1e1.5'}", "{example.com/nic: '1E.'}"},
	},
	{
		path: "spec.collector.resources.requests", says: "resources.requests: no quantity",
		valid:   []string{"{cpu: 1}"},
		invalid: []string{"{example.com/nic: '1e1.5'}"},
	},
	{
		path: "spec.collector.resources", says: "a request is more than its limit",
		valid:   []string{"{requests: {cpu: 1000m, memory: 1Gi}, limits: {cpu: 1, memory: 1024Mi}}", "{requests: {cpu: 4}, limits: {memory: 1Gi}}"},
		invalid: []string{"{requests: {cpu: 1001m}, limits: {cpu: 1}}", "{requests: {memory: 2Gi}, limits: {memory: 1Gi}}"},
	},
	{
		path: "spec.collector.resources", says: "have no resource claims",
		valid:   []string{"{limits: {cpu: 1}}"},
		invalid: []string{"{claims: [{name: a}]}"},
	},
	{
		path: "spec.collector.volumes[].emptyDir.sizeLimit", says: "emptyDir.sizeLimit", at: "spec.collector.volumes[]",
		valid:   []string{"{name: a, emptyDir: {sizeLimit: 1.5Gi}}", "{name: a, emptyDir: {sizeLimit: 1024}}"},
		invalid: []string{`{name: a, emptyDir: {sizeLimit: "1e9999999999"}}`, "{name: a, emptyDir: {sizeLimit: -1Gi}}"},
	},
	{
		path: "spec.collector.volumes[]", says: "choose one of configMap",
		valid: []string{
			"{name: a, configMap: {name: x}}", "{name: a, secret: {secretName: x}}", "{name: a, emptyDir: {}}", "{name: a, hostPath: {path: /x}}",
			"{name: a, persistentVolumeClaim: {claimName: x}}", "{name: a, csi: {driver: x}}",
		},
		invalid: []string{"{name: a}", "{name: a, emptyDir: {}, configMap: {name: x}}"},
	},
	{
		path: "spec.collector.volumes[]", says: "uses this volume name itself",
		valid: []string{"{name: certificates, emptyDir: {}}"},
		invalid: []string{
			"{name: configuration, emptyDir: {}}", "{name: nats, emptyDir: {}}", "{name: templates-nats, emptyDir: {}}",
			"{name: output-nats, emptyDir: {}}", "{name: spool, emptyDir: {}}", "{name: tmp, emptyDir: {}}",
		},
	},
	{
		path: "spec.collector", says: "each names one of the volumes",
		valid:   []string{"{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /a}, {name: a, mountPath: /b}]}"},
		invalid: []string{"{volumeMounts: [{name: a, mountPath: /a}]}", "{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /a}, {name: spool, mountPath: /b}]}"},
	},
	{
		path: "spec.collector.volumeMounts", says: "choose another mountPath", at: "spec.collector",
		valid: []string{"{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /etc/flowfleet-ca}]}"},
		invalid: []string{
			"{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /etc/flowfleet}]}",
			"{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /etc/flowfleet/extra}]}",
			"{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /var/run/secrets/flowfleet}]}",
			"{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /var/lib/flowfleet/spool}]}",
		},
	},
	{
		path: "spec.collector.annotations", says: "the operator sets",
		valid:   []string{"{example.com/team: network}"},
		invalid: []string{"{flowfleet.io/configuration: x}", "{flowfleet.io/secrets: x}"},
	},
	{
		path: "spec.collector.labels", says: "the operator sets the labels",
		valid:   []string{"{team: network, app.kubernetes.io/part-of: edge}"},
		invalid: []string{"{app.kubernetes.io/name: x}", "{app.kubernetes.io/instance: x}", "{app.kubernetes.io/component: x}", "{app.kubernetes.io/managed-by: x}"},
	},
	{
		path: "spec", says: "network policies do not apply",
		valid:   []string{"{networkPolicy: {enabled: true}}", "{collector: {hostNetwork: true}, networkPolicy: {enabled: false}}"},
		invalid: []string{"{collector: {hostNetwork: true}, networkPolicy: {enabled: true}}"},
	},

	// The Service.
	{
		path: "spec.service.labels", says: "the operator sets the labels",
		valid:   []string{"{team: network}"},
		invalid: []string{"{app.kubernetes.io/instance: x}"},
	},
	{
		path: "spec.service", says: "loadBalancerClass: it needs the type LoadBalancer",
		valid:   []string{"{loadBalancerClass: example.com/internal}", "{type: LoadBalancer, loadBalancerClass: internal}"},
		invalid: []string{"{type: NodePort, loadBalancerClass: internal}", "{type: None, loadBalancerClass: internal}"},
	},
	{
		path: "spec.service", says: "allocateLoadBalancerNodePorts: it needs the type LoadBalancer",
		valid:   []string{"{allocateLoadBalancerNodePorts: false}", "{type: LoadBalancer, allocateLoadBalancerNodePorts: true}"},
		invalid: []string{"{type: NodePort, allocateLoadBalancerNodePorts: false}", "{type: None, allocateLoadBalancerNodePorts: true}"},
	},
	{
		path: "spec.service", says: "healthCheckNodePort: it needs the type LoadBalancer and the externalTrafficPolicy Local",
		valid:   []string{"{healthCheckNodePort: 32000}", "{type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32000}"},
		invalid: []string{"{type: NodePort, healthCheckNodePort: 32000}", "{externalTrafficPolicy: Cluster, healthCheckNodePort: 32000}"},
	},
	{
		path: "spec.service", says: "healthCheckNodePort: Kubernetes does not let it change",
		validChange: []change{
			{"{healthCheckNodePort: 32000}", "{healthCheckNodePort: 32000, sessionAffinity: ClientIP}"}, {"{healthCheckNodePort: 32000}", "{}"},
			{"{type: ClusterIP}", "{healthCheckNodePort: 32000}"}, {"{externalTrafficPolicy: Cluster}", "{healthCheckNodePort: 32000}"},
		},
		invalidChange: []change{{"{healthCheckNodePort: 32000}", "{healthCheckNodePort: 32001}"}, {"{}", "{healthCheckNodePort: 32000}"}},
	},
	{
		path: "spec.service", says: "it needs the sessionAffinity ClientIP",
		valid:   []string{"{sessionAffinity: ClientIP, sessionAffinityTimeout: 1s}", "{sessionAffinity: ClientIP}"},
		invalid: []string{"{sessionAffinityTimeout: 1m}", "{sessionAffinity: None, sessionAffinityTimeout: 1m}"},
	},
	{
		path: "spec.monitoring.podMonitor.interval", says: "from 1s to 24h",
		valid:   []string{"1s", "24h", "1m30s"},
		invalid: []string{"0s", "999ms", "24h1s", "99999999999h"},
	},
	{
		path: "spec.collector.affinity", says: "up to 64 terms",
		valid: []string{"{}", terms("podAffinity", "required", "{topologyKey: a}", 64), terms("podAntiAffinity", "required", "{topologyKey: a}", 64)},
		invalid: []string{terms("podAffinity", "required", "{topologyKey: a}", 65), terms("podAntiAffinity", "required", "{topologyKey: a}", 65),
			terms("podAffinity", "preferred", "{weight: 1, podAffinityTerm: {topologyKey: a}}", 65),
			terms("podAntiAffinity", "preferred", "{weight: 1, podAffinityTerm: {topologyKey: a}}", 65),
			terms("nodeAffinity", "preferred", "{weight: 1, preference: {}}", 65),
			"{nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [" + strings.Repeat("{},", 65) + "]}}}"},
	},
	{
		path: "spec.service.sessionAffinityTimeout", says: "whole seconds from 1s to 24h", at: "spec.service",
		valid: []string{"{sessionAffinity: ClientIP, sessionAffinityTimeout: 1s}", "{sessionAffinity: ClientIP, sessionAffinityTimeout: 24h}",
			"{sessionAffinity: ClientIP, sessionAffinityTimeout: 1h30m5s}"},
		invalid: []string{"{sessionAffinity: ClientIP, sessionAffinityTimeout: 0s}", "{sessionAffinity: ClientIP, sessionAffinityTimeout: 24h1s}",
			"{sessionAffinity: ClientIP, sessionAffinityTimeout: 1500ms}", "{sessionAffinity: ClientIP, sessionAffinityTimeout: 1.5s}"},
	},
	{
		path: "spec.service", says: "exporters.allowedNetworks works with every type",
		valid:   []string{"{loadBalancerSourceRanges: [10.0.0.0/8]}", "{type: NodePort}"},
		invalid: []string{"{type: ClusterIP, loadBalancerSourceRanges: [10.0.0.0/8]}"},
	},
	{
		path: "spec.service.loadBalancerSourceRanges[]", says: "a network such as 10.0.0.0/8",
		valid:   []string{"10.0.0.0/8", `"2001:db8::/32"`},
		invalid: []string{"10.0.0.1", "any"},
	},
	{
		path: "spec.service", says: "two ipFamilies need",
		valid: []string{
			"{ipFamilies: [IPv4]}", "{ipFamilies: [IPv4, IPv6], ipFamilyPolicy: RequireDualStack}",
			"{ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack}", "{ipFamilyPolicy: SingleStack}",
		},
		invalid: []string{"{ipFamilies: [IPv4, IPv6]}", "{ipFamilies: [IPv4, IPv6], ipFamilyPolicy: SingleStack}"},
	},
	{
		path: "spec.service.ipFamilies", says: "stands there twice", at: "spec.service",
		valid:   []string{"{ipFamilies: [IPv6], ipFamilyPolicy: PreferDualStack}"},
		invalid: []string{"{ipFamilies: [IPv4, IPv4], ipFamilyPolicy: PreferDualStack}"},
	},
	{
		path: "spec.service", says: "loadBalancerClass: Kubernetes does not let it change",
		validChange: []change{
			{"{loadBalancerClass: a}", "{loadBalancerClass: a, annotations: {b: c}}"},
			{"{loadBalancerClass: a}", "{type: ClusterIP}"},
			{"{type: ClusterIP}", "{type: LoadBalancer, loadBalancerClass: b}"},
		},
		invalidChange: []change{
			{"{loadBalancerClass: a}", "{loadBalancerClass: b}"}, {"{loadBalancerClass: a}", "{}"}, {"{}", "{loadBalancerClass: a}"},
		},
	},
	{
		path: "spec.service", says: "does not let the first family of a Service change",
		validChange: []change{
			{"{ipFamilies: [IPv4]}", "{ipFamilies: [IPv4, IPv6], ipFamilyPolicy: PreferDualStack}"},
			{"{ipFamilies: [IPv4]}", "{}"}, {"{}", "{ipFamilies: [IPv6]}"}, // the first is the cluster's, which stands elsewhere
			{"{ipFamilies: [IPv4]}", "{type: None, ipFamilies: [IPv6]}"},
			{"{type: None, ipFamilies: [IPv4]}", "{ipFamilies: [IPv6]}"},
		},
		invalidChange: []change{
			{"{ipFamilies: [IPv4]}", "{ipFamilies: [IPv6]}"},
			{"{ipFamilies: [IPv4, IPv6], ipFamilyPolicy: PreferDualStack}", "{ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack}"},
		},
	},
}, natsRules("spec.nats"), natsRules("spec.templateStore.nats"), natsRules("spec.output.nats"))

// span is the rule of a size or a time span: least and most are possible, the others are not.
func span(path, says, least, most string, refused ...string) rule {
	return rule{path: path, says: says, valid: []string{least, most}, invalid: refused}
}

func natsRules(path string) []rule {
	return []rule{
		{
			path: path, says: "choose one of jetStreamDomain and apiPrefix",
			valid:   []string{"{jetStreamDomain: leaf}", "{apiPrefix: hub.API}"},
			invalid: []string{"{jetStreamDomain: leaf, apiPrefix: hub.API}"},
		},
		{
			path: path, says: "choose one of credentials, nkey, token and user",
			valid: []string{
				"{}", "{credentials: {name: a, key: b}}", "{nkey: {name: a, key: b}}", "{token: {name: a, key: b}}",
				"{user: {name: a, password: {name: b, key: c}}, tls: {ca: {name: d, key: e}}}",
			},
			invalid: []string{
				"{credentials: {name: a, key: b}, token: {name: a, key: b}}",
				"{nkey: {name: a, key: b}, user: {name: a, password: {name: b, key: c}}}",
			},
		},
		{
			path: path + ".urls", says: "do not mix",
			valid:   []string{`["wss://a:443", "ws://b"]`, `["nats://a", "tls://b"]`},
			invalid: []string{`["wss://a:443", "nats://b"]`},
		},
		{
			path: path + ".urls[]", says: "has no user, password or token",
			valid:   []string{"nats://nats.example:4222"},
			invalid: []string{"nats://user:password@nats.example:4222", "nats://token@nats"},
		},
		{
			path: path + ".urls[]", says: "an address such as",
			valid:   []string{"nats://nats", "tls://192.0.2.1:4222", `"nats://[2001:db8::1]:4222"`, "nats://a_b.c:1/", "wss://a:65535"},
			invalid: []string{"nats", "http://nats", "nats://", "nats://a:0", "nats://a:65536", "nats://a:99999", `"nats://a, nats://b"`, "nats://a/b", `"nats://2001:db8::1"`},
		},
	}
}

// messages of the schema's rules, by path.
func messages(t *testing.T) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for _, n := range nodes(t) {
		for _, v := range n.schema.XValidations {
			if v.Message == "" {
				t.Errorf("%s: the rule %s has no message", n.path, v.Rule)
			}
			out[n.path] = append(out[n.path], v.Message)
		}
	}
	return out
}

// message is the whole message of the schema's rule that r tries.
func (r *rule) message(t *testing.T, messages map[string][]string) string {
	t.Helper()
	var found []string
	for _, m := range messages[r.path] {
		if strings.Contains(m, r.says) {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%q: %d rules say %q, not one: %q", r.path, len(found), r.says, messages[r.path])
	}
	return found[0]
}

// terms is an affinity with so many terms in one of its lists.
func terms(kind, when, term string, n int) string {
	return "{" + kind + ": {" + when + "DuringSchedulingIgnoredDuringExecution: [" + strings.Repeat(term+",", n) + "]}}"
}

func TestEachRuleIsTried(t *testing.T) {
	messages := messages(t)
	tried := make(map[string]int)
	for _, r := range rules {
		if len(r.valid)+len(r.validChange) == 0 || len(r.invalid)+len(r.invalidChange) == 0 {
			t.Errorf("%s, %q: a valid and an invalid case are needed", r.path, r.says)
		}
		tried[r.path+": "+r.message(t, messages)]++
	}
	for path, all := range messages {
		for _, m := range all {
			if n := tried[path+": "+m]; n != 1 {
				t.Errorf("%d of the cases in this file, not one, are for the rule %s: %s", n, path, m)
			}
		}
	}
}

func TestRulesRefuseWhatCannotWorkAndSayWhatToDo(t *testing.T) {
	s := controllertest.Start(t)
	c := s.Client(t)
	messages := messages(t)
	namespace := s.Namespace(t)
	number := 0
	for _, r := range rules {
		where := r.path
		if r.at != "" {
			where = r.at
		}
		message := r.message(t, messages)
		create := func(value string) error {
			return c.Create(t.Context(), object(namespace, where, parse(t, value)), client.DryRunAll)
		}
		alter := func(ch change) error {
			number++
			name := fmt.Sprintf("change-%d", number)
			before := object(namespace, where, parse(t, ch.from))
			before.SetName(name)
			if err := c.Create(t.Context(), before); err != nil {
				return fmt.Errorf("creating the object that is to change: %w", err)
			}
			defer func() { _ = c.Delete(context.WithoutCancel(t.Context()), before) }()
			after := object(namespace, where, parse(t, ch.to))
			after.SetName(name)
			after.SetResourceVersion(before.GetResourceVersion())
			return c.Update(t.Context(), after, client.DryRunAll)
		}
		t.Run(strings.Trim(r.path+" "+r.says, " "), func(t *testing.T) {
			for _, value := range r.valid {
				accepted(t, value, create(value))
			}
			for _, ch := range r.validChange {
				accepted(t, ch.from+" -> "+ch.to, alter(ch))
			}
			for _, value := range r.invalid {
				refused(t, value, create(value), refusal{r.path, message})
			}
			for _, ch := range r.invalidChange {
				refused(t, ch.from+" -> "+ch.to, alter(ch), refusal{r.path, message})
			}
		})
	}
}

func accepted(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s is refused: %v", what, err)
	}
}

// refused checks that the API server gives the reason, and gives no other but those that other rules have for the same value.
func refused(t *testing.T, what string, err error, want refusal) {
	t.Helper()
	if err == nil {
		t.Errorf("%s is accepted", what)
		return
	}
	for _, got := range refusals(t, err) {
		if got.path == want.path && strings.HasSuffix(got.message, want.message) {
			return
		}
	}
	t.Errorf("%s is refused for other reasons than %q:\n%v", what, want.message, err)
}

// An empty spec is a working fleet, and so is none.
func TestNothingIsRequired(t *testing.T) {
	s := controllertest.Start(t)
	c := s.Client(t)
	namespace := s.Namespace(t)
	accepted(t, "an empty spec", c.Create(t.Context(), object(namespace, "spec", map[string]any{}), client.DryRunAll))
	none := object(namespace, "spec", nil)
	unstructured.RemoveNestedField(none.Object, "spec")
	accepted(t, "no spec", c.Create(t.Context(), none, client.DryRunAll))
}
