package v1alpha1_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// bound is one keyword of the schema that bounds values, with values on both of its sides.
type bound struct {
	path    string
	keyword string
	at      string // where the values go
	within  any
	beyond  any
	says    string // what the API server says of the value beyond
}

// examples are values that the schema takes where the one that example makes up would not do.
var examples = map[string]any{
	"spec.listeners[].port":                        int64(2055),
	"spec.exporters.allowedNetworks[]":             "10.0.0.0/8",
	"spec.exporters.names[].network":               "10.0.0.0/8",
	"spec.exporters.sampling.defaults[].network":   "10.0.0.0/8",
	"spec.exporters.sampling.overrides[].network":  "10.0.0.0/8",
	"spec.service.loadBalancerSourceRanges[]":      "10.0.0.0/8",
	"spec.nats.urls[]":                             "nats://a",
	"spec.templateStore.nats.urls[]":               "nats://a",
	"spec.output.nats.urls[]":                      "nats://a",
	"spec.output.buffer.spool.hostPath.path":       "/a",
	"spec.monitoring.podMonitor.interval":          "1s",
	"spec.collector.updateStrategy.maxSurge":       int64(1),
	"spec.collector.updateStrategy.maxUnavailable": int64(1),
	"spec.collector.tolerations[]":                 map[string]any{"key": "a"},
	"spec.collector.topologySpreadConstraints[]":   map[string]any{"maxSkew": int64(1), "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"},
	"spec.collector.env[]":                         map[string]any{"name": "A"},
	"spec.collector.volumeMounts[]":                map[string]any{"name": "a", "mountPath": "/a"},
	"spec.collector.volumes[]":                     map[string]any{"name": "a", "emptyDir": map[string]any{}},
}

var duration = regexp.MustCompile(`\(ms\|s\|m\|h\)`)

// example is a value that the schema takes.
func example(path string, s *apiextensionsv1.JSONSchemaProps) any {
	if v, ok := examples[path]; ok {
		return v
	}
	switch {
	case len(s.Enum) > 0:
		return unquoted(s.Enum[0].Raw)
	case s.XIntOrString:
		return "1Mi"
	case s.Type == "object":
		out := map[string]any{}
		for _, name := range s.Required {
			property := s.Properties[name]
			out[name] = example(path+"."+name, &property)
		}
		return out
	case s.Type == "array":
		return []any{example(path+"[]", s.Items.Schema)}
	case s.Type == "integer":
		if s.Minimum != nil {
			return int64(*s.Minimum)
		}
		return int64(1)
	case s.Type == "boolean":
		return true
	case duration.MatchString(s.Pattern):
		return "30s"
	}
	return "a"
}

func unquoted(raw []byte) string {
	s, err := strconv.Unquote(string(raw))
	if err != nil {
		return string(raw)
	}
	return s
}

// bounds lists those of a place.
func bounds(n node) (out []bound) {
	s := n.schema
	add := func(keyword string, within, beyond any, says string, args ...any) {
		out = append(out, bound{path: n.path, keyword: keyword, within: within, beyond: beyond, says: fmt.Sprintf(says, args...)})
	}
	usual := example(n.path, s)
	if s.Minimum != nil {
		add("minimum", int64(*s.Minimum), int64(*s.Minimum)-1, "greater than or equal to %v", int64(*s.Minimum))
	}
	if s.Maximum != nil {
		add("maximum", int64(*s.Maximum), int64(*s.Maximum)+1, "less than or equal to %v", int64(*s.Maximum))
	}
	if s.MinLength != nil && s.Type == "string" {
		add("minLength", usual, "", "should be at least %d chars long", *s.MinLength)
	}
	if s.MaxLength != nil {
		text := fmt.Sprint(usual)
		add("maxLength", text, text+strings.Repeat("0", int(*s.MaxLength)), "may not be more than %d bytes", *s.MaxLength)
	}
	if s.Pattern != "" {
		add("pattern", usual, "! !", "should match '%s'", s.Pattern)
	}
	if len(s.Enum) > 0 {
		for _, value := range s.Enum {
			add("enum", unquoted(value.Raw), "Nonsense", "Unsupported value: \"Nonsense\"")
		}
	}
	if s.MinItems != nil {
		add("minItems", usual, []any{}, "should have at least %d items", *s.MinItems)
	}
	if s.MaxItems != nil {
		add("maxItems", many(n, int(*s.MaxItems)), many(n, int(*s.MaxItems)+1), "must have at most %d items", *s.MaxItems)
	}
	if s.MaxProperties != nil {
		add("maxProperties", properties(int(*s.MaxProperties)), properties(int(*s.MaxProperties)+1), "must have at most %d items", *s.MaxProperties)
	}
	if s.XListType != nil && *s.XListType != "atomic" {
		item := example(n.path+"[]", s.Items.Schema)
		add("unique", []any{item}, []any{item, item}, "Duplicate value")
	}
	for _, name := range s.Required {
		without := maps.Clone(usual.(map[string]any))
		delete(without, name)
		b := bound{path: n.path + "." + name, keyword: "required", at: n.path, within: usual, beyond: without, says: "Required value"}
		out = append(out, b)
	}
	return out
}

// many is a list of different values that the schema takes.
func many(n node, count int) []any {
	out := make([]any, count)
	item := example(n.path+"[]", n.schema.Items.Schema)
	for i := range out {
		switch v := item.(type) {
		case map[string]any:
			v = maps.Clone(v)
			for key, value := range map[string]any{
				"name": fmt.Sprintf("a%d", i), "port": int64(2000 + i), "network": fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255),
				"mountPath": fmt.Sprintf("/a%d", i),
			} {
				if _, ok := v[key]; ok && (key != "name" || v["mountPath"] == nil) {
					v[key] = value
				}
			}
			out[i] = v
		case string:
			switch {
			case v == "10.0.0.0/8":
				out[i] = fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255)
			case len(n.schema.Items.Schema.Enum) > 0:
				out[i] = unquoted(n.schema.Items.Schema.Enum[i%len(n.schema.Items.Schema.Enum)].Raw)
			default:
				out[i] = fmt.Sprintf("%s%d", v, i)
			}
		}
	}
	return out
}

func properties(count int) map[string]any {
	out := make(map[string]any)
	for i := range count {
		out[fmt.Sprintf("a%d", i)] = "b"
	}
	return out
}

func TestSchemaTakesValuesAtItsBoundsAndRefusesThoseBeyond(t *testing.T) {
	s := controllertest.Start(t)
	c := s.Client(t)
	namespace := s.Namespace(t)
	all := nodes(t)
	siblings := make(map[string]*apiextensionsv1.JSONSchemaProps)
	for _, n := range all {
		siblings[n.path] = n.schema
	}
	rules := make(map[string]bool)
	for _, list := range messages(t) {
		for _, message := range list {
			rules[message] = true
		}
	}
	tried := 0
	for _, n := range all {
		if !strings.HasPrefix(n.path, "spec.") || kubernetesTypes.MatchString(n.path) {
			continue
		}
		for _, b := range bounds(n) {
			tried++
			if b.at == "" {
				b.at = n.path
			}
			t.Run(b.path+" "+b.keyword, func(t *testing.T) {
				// The values that must stand beside it, such as the name beside a port.
				build := func(value any) client.Object {
					o := object(namespace, b.at, value)
					for path := b.at; path != "spec" && strings.Contains(path, "."); path = path[:strings.LastIndex(path, ".")] {
						outer := path[:strings.LastIndex(path, ".")]
						fill(o.Object, outer, siblings[outer])
					}
					return o
				}
				for _, r := range refusals(t, c.Create(t.Context(), build(b.within), client.DryRunAll)) {
					_, message, _ := strings.Cut(r.message, ": ")
					for !rules[message] && strings.Contains(message, ": ") {
						_, message, _ = strings.Cut(message, ": ")
					}
					if !rules[message] { // a rule may say more than the bound
						t.Errorf("%.100v is refused: %s: %s", b.within, r.path, r.message)
					}
				}
				err := c.Create(t.Context(), build(b.beyond), client.DryRunAll)
				if err == nil {
					t.Fatalf("%.100v is accepted", b.beyond)
				}
				if !slices.ContainsFunc(refusals(t, err), func(r refusal) bool {
					return strings.HasPrefix(r.path, b.path) && strings.Contains(r.message, b.says)
				}) {
					t.Errorf("%.100v is refused for other reasons than that it %q:\n%.2000v", b.beyond, b.says, err)
				}
			})
		}
	}
	if tried < 100 {
		t.Errorf("%d bounds were found in the schema: the search is broken", tried)
	}
}

// fill adds what the schema requires beside the values that are at the path.
func fill(m map[string]any, path string, s *apiextensionsv1.JSONSchemaProps) {
	here := any(m)
	for name := range strings.SplitSeq(path, ".") {
		key, list := strings.CutSuffix(name, "[]")
		here = here.(map[string]any)[key]
		if list {
			here = here.([]any)[0]
		}
	}
	o := here.(map[string]any)
	for _, name := range s.Required {
		if _, ok := o[name]; !ok {
			property := s.Properties[name]
			o[name] = example(path+"."+name, &property)
		}
	}
}

// Numbers without bounds end up as a size of something: each has a least and a greatest value, or a rule that says as much.
func TestEachNumberAndTextIsBounded(t *testing.T) {
	for _, n := range append(nodes(t), nodesOf(t, "flowsinks")...) {
		if !strings.HasPrefix(n.path, "spec.") || kubernetesTypes.MatchString(n.path) || len(n.schema.XValidations) > 0 {
			continue
		}
		switch s := n.schema; {
		case s.Type == "integer" && (s.Minimum == nil || s.Maximum == nil):
			t.Errorf("%s has no minimum or no maximum", n.path)
		case s.Type == "string" && s.MaxLength == nil && len(s.Enum) == 0:
			t.Errorf("%s has no greatest length", n.path)
		case s.Type == "array" && s.MaxItems == nil:
			t.Errorf("%s has no greatest length", n.path)
		}
	}
}
