package judge

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// healthCheck is the script for Argo CD as docs/gitops.md has it.
func healthCheck(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(page), "      resource.customizations.health.flowfleet.io_FlowCollector: |\n")
	if !found {
		t.Fatal("docs/gitops.md has no health check")
	}
	var lines []string
	for line := range strings.Lines(script) {
		code, within := strings.CutPrefix(line, "        ")
		if !within {
			break
		}
		lines = append(lines, code)
	}
	return strings.Join(lines, "")
}

// argoHealth runs the script as Argo CD does: with the object as obj, and without Lua's libraries but those that cannot reach anything.
func argoHealth(t *testing.T, script string, fc *v1alpha1.FlowCollector) (health, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	state.Push(state.NewFunction(lua.OpenBase))
	state.Push(lua.LString(lua.BaseLibName))
	state.Call(1, 0)
	text, err := json.Marshal(fc)
	if err != nil {
		t.Fatal(err)
	}
	var object any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	state.SetGlobal("obj", luaValue(state, object))
	if err := state.DoString(script); err != nil {
		t.Fatalf("the health check fails: %v", err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the health check returns %v", state.Get(-1))
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

// luaValue makes of JSON what a script sees.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range v {
			table.RawSetString(key, luaValue(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, element := range v {
			table.Append(luaValue(state, element))
		}
		return table
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	}
	return lua.LNil
}

// checkArgoCD asserts that Argo CD sees what Flux sees, but that it has words of its own for a fleet that is suspended, and for one that
// has what it asks for and is Degraded.
func checkArgoCD(t *testing.T, fc *v1alpha1.FlowCollector, sees kstatus.Status) {
	t.Helper()
	want := map[kstatus.Status]string{kstatus.InProgressStatus: "Progressing", kstatus.FailedStatus: "Degraded", kstatus.CurrentStatus: "Healthy"}[sees]
	switch {
	case fc.Spec.Suspend:
		want = "Suspended"
	case meta.IsStatusConditionTrue(fc.Status.Conditions, v1alpha1.ConditionReconciling):
	case meta.IsStatusConditionTrue(fc.Status.Conditions, v1alpha1.ConditionDegraded) && fc.Status.ObservedGeneration == fc.Generation:
		want = "Degraded"
	}
	health, message := argoHealth(t, healthCheck(t), fc)
	if health != want || message == "" {
		t.Errorf("Argo CD says %s (%s), not %s, of what kstatus calls %s", health, message, want, sees)
	}
	if c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionStalled); c != nil && !fc.Spec.Suspend && message != c.Message {
		t.Errorf("Argo CD says %q, where nothing gets on because of %q", message, c.Message)
	}
}

func TestArgoCDWaitsForWhatTheOperatorHasNotLookedAt(t *testing.T) {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge", Generation: 1}}
	if health, message := argoHealth(t, healthCheck(t), fc); health != "Progressing" || !strings.Contains(message, "not looked") {
		t.Errorf("it says %s: %s", health, message)
	}
}
