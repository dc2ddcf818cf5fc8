{{/* Scope: which objects an operator looks after, by its namespaces and its label selector. */}}

{{/*
selects: "true" where a label selector, as in watchLabelSelector, selects labels, else nothing. Takes a list: the labels, and the
selector. It reads what Kubernetes reads: a=b, a==b, a!=b, a in (b,c), a notin (b,c), a, !a, a>1, a<1, with commas between.
*/}}
{{- define "flowfleet.selects" -}}
{{- $labels := index . 0 | default dict -}}
{{- $form := `^\s*(!?)\s*([^\s=!<>()]+)\s*(?:(==?|!=|<|>|\bnotin\b|\bin\b)\s*\(?([^)]*)\)?)?\s*$` -}}
{{- $selects := true -}}
{{- range regexFindAll `[^,(]+(\([^)]*\))?` (index . 1) -1 -}}
  {{- if trim . -}}
    {{- $key := regexReplaceAll $form . "${2}" -}}
    {{- $operator := regexReplaceAll $form . "${1}${3}" -}}
    {{- $values := list -}}
    {{- range splitList "," (regexReplaceAll $form . "${4}") -}}{{- $values = append $values (trim .) -}}{{- end -}}
    {{- $there := hasKey $labels $key -}}
    {{- $value := get $labels $key -}}
    {{- $fits := $there -}}
    {{- if eq $operator "!" -}}{{- $fits = not $there -}}
    {{- else if has $operator (list "=" "==" "in") -}}{{- $fits = and $there (has $value $values) -}}
    {{- else if has $operator (list "!=" "notin") -}}{{- $fits = not (and $there (has $value $values)) -}}
    {{- else if eq $operator ">" -}}{{- $fits = and (regexMatch `^[-+]?\d+$` $value) (gt (int64 $value) (int64 (first $values))) -}}
    {{- else if eq $operator "<" -}}{{- $fits = and (regexMatch `^[-+]?\d+$` $value) (lt (int64 $value) (int64 (first $values))) -}}
    {{- end -}}
    {{- $selects = and $selects $fits -}}
  {{- end -}}
{{- end -}}
{{- if $selects -}}true{{- end -}}
{{- end }}

{{/* inScope: "true" or nothing, as selects. Takes a list: an object, namespaces (none: all), and a selector. */}}
{{- define "flowfleet.inScope" -}}
{{- $metadata := (index . 0).metadata -}}
{{- $namespaces := index . 1 -}}
{{- if or (not $namespaces) (has $metadata.namespace $namespaces) -}}
{{- include "flowfleet.selects" (list $metadata.labels (index . 2)) -}}
{{- end -}}
{{- end }}
