package fleet

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

func named(namespace, name string) *v1alpha1.FlowCollector {
	return &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func TestNoTwoFleetsHaveTheSameBucketOrStream(t *testing.T) {
	parts := []string{"a", "b", "a-b", "b-a", "a-a", "a--b", "a-b-a", "team", "prod", "edge", "team-prod", "prod-edge", "team-prod-edge", "team-edge-refused-team", "a-refused-b"}
	seen := map[string]string{}
	for _, namespace := range parts {
		for _, name := range parts {
			c := named(namespace, name)
			for _, taken := range []bool{false, true} { // the form that is taken after a conflict is nobody else's either
				names := NamesOf(c, Known{BucketTaken: taken, StreamTaken: taken})
				for _, n := range []string{names.Bucket, names.Stream} {
					if other, ok := seen[n]; ok && other != namespace+"/"+name {
						t.Errorf("%s is of %s and of %s/%s", n, other, namespace, name)
					}
					seen[n] = namespace + "/" + name
				}
			}
		}
	}
}

func TestNamesOfEarlierVersionsAreKeptUnlessTheyAreAnothersFleet(t *testing.T) {
	for _, test := range []struct {
		about           string
		namespace, name string
		known           Known
		want            Names
	}{
		{"a new one whose name has no dash", "team", "edge", Known{}, Names{"flowfleet-team-edge", "flows-team-edge"}},
		{"a new one whose name has a dash", "team", "prod-edge", Known{}, Names{"flowfleet-team_prod-edge", "flows-team_prod-edge"}},
		{"one that has the name of an earlier version", "team", "prod-edge",
			Known{Used: []Names{{"flowfleet-team-prod-edge", "flows-team-prod-edge"}}}, Names{"flowfleet-team-prod-edge", "flows-team-prod-edge"}},
		{"one whose stream is its own, and whose bucket is another's", "team", "prod-edge",
			Known{Used: []Names{{"flowfleet-team-prod-edge", "flows-team-prod-edge"}}, BucketTaken: true},
			Names{"flowfleet-team_prod-edge", "flows-team-prod-edge"}},
		{"one that has moved", "team-prod", "edge",
			Known{Used: []Names{{"flowfleet-team-prod_edge", "flows-team-prod_edge"}, {"flowfleet-team-prod-edge", "flows-team-prod-edge"}}},
			Names{"flowfleet-team-prod_edge", "flows-team-prod_edge"}},
		{"one in a namespace as the stream for refused messages has it", "a-edge-refused-a", "prod-edge", Known{},
			Names{"flowfleet-a-edge-refused-a__prod-edge", "flows-a-edge-refused-a__prod-edge"}},
		{"one that had that name before", "a-edge-refused-a", "prod-edge",
			Known{Used: []Names{{"flowfleet-a-edge-refused-a_prod-edge", "flows-a-edge-refused-a_prod-edge"}}},
			Names{"flowfleet-a-edge-refused-a_prod-edge", "flows-a-edge-refused-a_prod-edge"}},
		{"names in use that are no default of it count for nothing", "team", "prod-edge", Known{Used: []Names{{"x", "y"}, {}}},
			Names{"flowfleet-team_prod-edge", "flows-team_prod-edge"}},
	} {
		if got := NamesOf(named(test.namespace, test.name), test.known); got != test.want {
			t.Errorf("%s: %+v, not %+v", test.about, got, test.want)
		}
	}
	c := named("team", "edge")
	c.Spec.TemplateStore.Bucket, c.Spec.Output.Stream.Name = "b", "s"
	if got := NamesOf(c, Known{BucketTaken: true, StreamTaken: true, Used: []Names{{"flowfleet-team_edge", "flows-team_edge"}}}); got != (Names{"b", "s"}) {
		t.Errorf("what the spec names became %+v", got)
	}
}
