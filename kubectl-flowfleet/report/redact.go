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

// secretWords are in the names of what is a secret.
const secretWords = `passw|passphrase|\bpass\b|_pass\b|secret|token|credential|authori[sz]ation|private_?key|api_?key|nkey|seed|jwt`

var (
	// credentials within a URL, as in nats://user:password@server, up to the last @: a password may have one.
	credentials = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s"'<>]*@`)
	// secretKeys are names of fields, variables and parameters whose values are secrets.
	secretKeys = regexp.MustCompile(`(?i)` + secretWords)
	// keyed is such a name with its value in a line of text: "token": "...", also within JSON that is quoted itself; an unquoted value ends
	// with the line. assigned is password=..., which ends with the word.
	keyed = regexp.MustCompile(`(?i)((?:\\?")?[a-z0-9_.-]*(?:` + secretWords + `)[a-z0-9_.-]*(?:\\?")?\s*:\s*)` +
		`("(?:\\.|[^"\\])*"|\\"(?:[^"\\]|\\[^"])*\\"|[^\n"\\]+)`)
	assigned = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:` + secretWords + `)[a-z0-9_.-]*=)("(?:\\.|[^"\\])*"|[^\s"]+)`)
	// option is a flag of a command line with its value behind it.
	option = regexp.MustCompile(`(?i)(--?[a-z0-9-]*(?:` + secretWords + `)[a-z0-9-]*\s+)("[^"]*"|\S+)`)
	// lastOption is such a flag whose value is the next argument of a list.
	lastOption = regexp.MustCompile(`(?i)^--?[a-z0-9-]*(?:` + secretWords + `)[a-z0-9-]*$`)
	// keys and tokens that tell themselves: NATS seeds and JSON Web Tokens, what an HTTP header has, and keys in PEM.
	tokens = regexp.MustCompile(`\bS[UANOCX][A-Z2-7]{40,}\b|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*`)
	bearer = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+`)
	pem    = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

// Text takes what may be a secret out of a text, such as a log. Rather too much than too little.
func Text(s string) string {
	s = pem.ReplaceAllString(s, Redacted)
	s = credentials.ReplaceAllString(s, "${1}"+Redacted+"@")
	s = tokens.ReplaceAllString(s, Redacted)
	s = bearer.ReplaceAllString(s, "${1} "+Redacted)
	s = assigned.ReplaceAllString(s, "${1}"+Redacted)
	s = keyed.ReplaceAllString(s, "${1}"+Redacted)
	return option.ReplaceAllString(s, "${1}"+Redacted)
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
			if secretKeys.MatchString(key) && !isReference(key) {
				value = blank(value)
			}
			v[key] = redact(value)
		}
		return v
	case []any:
		for i := range v {
			flag, ok := "", false
			if i > 0 {
				flag, ok = v[i-1].(string)
			}
			if _, text := v[i].(string); text && ok && lastOption.MatchString(flag) {
				v[i] = Redacted
				continue
			}
			v[i] = redact(v[i])
		}
		return v
	case string:
		return Text(v)
	}
	return v
}

// blank takes out a text, or the texts of a list.
func blank(v any) any {
	switch v := v.(type) {
	case string:
		if v != "" {
			return Redacted
		}
	case []any:
		for i := range v {
			v[i] = blank(v[i])
		}
	}
	return v
}

func isReference(key string) bool {
	return slices.Contains(references, key) || strings.HasSuffix(key, "SecretName") || strings.HasSuffix(key, "SecretRef")
}
