// Package report puts what is known of a fleet into one archive, for those who are asked for help. Nothing secret is to be in it:
// Secrets are not read, and what may hold one is taken out of everything else.
package report

import (
	"regexp"
	"slices"
	"strings"
)

// Redacted stands where something was taken out.
const Redacted = "(redacted)"

var (
	// credentials within a URL, as in nats://user:password@server.
	credentials = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s"'@]+@`)
	// secretKeys are names of fields, variables and parameters whose values are secrets.
	secretKeys = regexp.MustCompile(`(?i)(passw|secret|token|credential|private|api_?key|nkey|seed|jwt)`)
	// keyed is such a name with its value in a line of text: password=..., "token": "...".
	keyed = regexp.MustCompile(`(?i)("?[a-z0-9_.-]*(?:passw|secret|token|credential|api_?key|nkey|seed|jwt)[a-z0-9_.-]*"?\s*[=:]\s*)("[^"]*"|[^\s,}"]+)`)
	// keys and tokens that tell themselves: NATS seeds and JSON Web Tokens, and keys in PEM.
	tokens = regexp.MustCompile(`\bS[UANOCX][A-Z2-7]{40,}\b|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*`)
	pem    = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

// Text takes what may be a secret out of a text, such as a log.
func Text(s string) string {
	s = pem.ReplaceAllString(s, Redacted)
	s = credentials.ReplaceAllString(s, "${1}"+Redacted+"@")
	s = tokens.ReplaceAllString(s, Redacted)
	return keyed.ReplaceAllString(s, "${1}"+Redacted)
}

// references are fields that name a Secret, or a key in one: names are no secrets, and who helps needs them.
var references = []string{"secretName", "secret", "secretRef", "secretKeyRef", "credentialsSecret", "tlsSecret", "imagePullSecrets", "automountServiceAccountToken",
	"serviceAccountToken", "defaultTokenMode"}

// Object takes what may be a secret out of an object of the API, which it changes: values of variables, values under names that say so,
// and what Text takes out of texts. It drops what repeats the object: managed fields, and what kubectl applied last.
func Object(o map[string]any) map[string]any {
	if metadata, ok := o["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	redact(o)
	return o
}

// known are variables of our own, whose values are no secrets.
var known = []string{"GOMEMLIMIT", "GOMAXPROCS", "NODE_NAME", "POD_NAME", "POD_NAMESPACE"}

func redact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, ok := v["name"].(string); ok && v["value"] != nil && !slices.Contains(known, name) {
			v["value"] = Redacted // of a variable, or of a header
		}
		for key, value := range v {
			if text, ok := value.(string); ok && secretKeys.MatchString(key) && !isReference(key) {
				if text != "" {
					v[key] = Redacted
				}
				continue
			}
			v[key] = redact(value)
		}
		return v
	case []any:
		for i := range v {
			v[i] = redact(v[i])
		}
		return v
	case string:
		return Text(v)
	}
	return v
}

func isReference(key string) bool {
	return slices.Contains(references, key) || strings.HasSuffix(key, "SecretName") || strings.HasSuffix(key, "SecretRef")
}
