package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
)

// annotationApplied is the hash of what was applied to an object. With it, what a server fills in is told from what the spec no
// longer asks for: both stand in the live object and not in the wanted one, but the hash is another one only for the latter.
const annotationApplied = "flowfleet.io/applied"

// stamp notes the hash of a wanted object, which is a pointer to a type that JSON reads, in its annotations.
func stamp(wanted any) error {
	b, err := json.Marshal(wanted)
	if err != nil {
		return fmt.Errorf("writing %T: %w", wanted, err)
	}
	var sorted map[string]any
	if err := json.Unmarshal(b, &sorted); err != nil {
		return fmt.Errorf("reading %T: %w", wanted, err)
	}
	if b, err = json.Marshal(sorted); err != nil {
		return fmt.Errorf("writing %T: %w", wanted, err)
	}
	sum := sha256.Sum256(b)
	metadata, _ := sorted["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = make(map[string]any)
	}
	annotations[annotationApplied] = hex.EncodeToString(sum[:8])
	metadata["annotations"] = annotations
	if b, err = json.Marshal(sorted); err != nil {
		return fmt.Errorf("writing %T: %w", wanted, err)
	}
	if err := json.Unmarshal(b, wanted); err != nil {
		return fmt.Errorf("reading %T: %w", wanted, err)
	}
	return nil
}

// settled reports whether an object, as JSON has it, is as was applied, and what was applied is what is wanted. What servers fill
// in, such as the apiVersion of a fieldRef or the action of a relabeling, does not matter.
func settled(have, want map[string]any) bool {
	return appliedHash(have) == appliedHash(want) && covers(have, want)
}

func appliedHash(o map[string]any) string {
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	hash, _ := annotations[annotationApplied].(string)
	return hash
}

// covers reports whether have has everything that want has: each field of objects, each element of lists and no more of them. An
// empty object or list need not be there.
func covers(have, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok && (have != nil || len(w) > 0) {
			return false
		}
		for k, v := range w {
			if !covers(h[k], v) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		if !ok && have != nil || len(h) != len(w) {
			return false
		}
		for i := range w {
			if !covers(h[i], w[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(have, want)
}
