{{- /*
What tenants may ask for of pods, whether those are of FlowCollectors or of FlowSinks: one text, so that no field is guarded in the one and
open in the other. The policies have the variables may, mayReadSecrets, spec, oldSpec, c and old (the section about pods), image and oldImage.
*/}}
{{- /* The lists of the values, as variables of a policy. */}}
{{- define "flowfleet.tenantLists" -}}
{{- $own := list .Values.image.repository }}
{{- with .Values.collectorImage }}{{- $own = append $own (regexReplaceAll "(:[^/:@]+)?(@.*)?$" . "") }}{{- end }}
- name: ownImages
  expression: {{ toJson (uniq $own) | quote }}
- name: images
  expression: {{ toJson (uniq (concat $own .Values.tenants.images)) | quote }}
- name: secretNames
  expression: {{ printf "dyn(%s)" (toJson .Values.tenants.secrets) | quote }}
- name: priorityClasses
  expression: {{ printf "dyn(%s)" (toJson .Values.tenants.priorityClasses) | quote }}
- name: annotationPrefixes
  expression: {{ printf "dyn(%s)" (toJson .Values.tenants.annotationPrefixes) | quote }}
- name: labelPrefixes
  expression: {{ printf "dyn(%s)" (toJson .Values.tenants.labelPrefixes) | quote }}
- name: environment
  expression: {{ printf "dyn(%s)" (toJson .Values.tenants.environment) | quote }}
{{- end }}

{{- /*
Whether the operator asks, as a variable of a policy. It is known by a verb of its own, which another release's operator has, too: a right
that means something by itself, such as to write a status, is in roles that give all resources of the group. Its account is for those who
write its roles themselves.
*/}}
{{- define "flowfleet.tenantOperator" -}}
- name: operator
  expression: >-
    request.userInfo.username == 'system:serviceaccount:{{ .Release.Namespace }}:{{ include "flowfleet.serviceAccountName" . }}'
    || authorizer.group('flowfleet.io').resource('flowcollectors').namespace(request.namespace).check('operate').allowed()
{{- end }}

{{- /* The policy for statuses. Of a dict with the root, the policy's name, whose verb it is about, the resources, and whom to ask. */}}
{{- define "flowfleet.tenantStatus" -}}
# The operator believes what stands in a status: which operator looks after an object, which stream and bucket a fleet has. A role that gives
# all resources of the group has the statuses in it.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  {{- include "flowfleet.metadata" (list .root dict dict) | nindent 2 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [flowfleet.io]
        apiVersions: ["*"]
        operations: [UPDATE]
        resources: {{ toJson .resources }}
  variables:
    - name: may
      expression: authorizer.group('flowfleet.io').resource('{{ .owner }}').namespace(request.namespace).check('privilege').allowed()
    {{- include "flowfleet.tenantOperator" .root | nindent 4 }}
  validations:
    - expression: variables.operator || variables.may
      message: {{ printf "status: the operator believes what stands there, so that nobody else writes it; to write it yourself, %s" .ask | quote }}
{{- end }}

{{- /* What is refused. Of a dict with the section about pods, the path of the image, the program, whom to ask, and the environment. */}}
{{- define "flowfleet.tenantPods" -}}
- expression: >-
    variables.image == variables.oldImage || variables.image == ''
    || variables.images.exists(i, i.endsWith('/') ? variables.image.startsWith(i) && !variables.image.contains('/../')
       : variables.image.startsWith(i) && variables.image.substring(size(i)).matches('^(:[^/:@]+)?(@[^/@]+)?$'))
    || variables.may
  message: {{ printf "%s: this image is none of those that everybody may use (value tenants.images of Flowfleet's chart); %s" .image .ask | quote }}
- expression: >-
    variables.c.?priorityClassName == variables.old.?priorityClassName
    || variables.c.?priorityClassName.orValue('') == '' || variables.c.priorityClassName in variables.priorityClasses || variables.may
  message: {{ printf "%s.priorityClassName: a class that could displace other pods is not for everybody (value tenants.priorityClasses lists those that are); %s" .section .ask | quote }}
- expression: >-
    variables.c.?volumes == variables.old.?volumes || !has(variables.c.volumes)
    || variables.c.volumes.all(v, has(v.emptyDir) || has(v.configMap)) || variables.may
  message: {{ printf "%s.volumes: only emptyDir and configMap are for everybody, not hostPath, secret, persistentVolumeClaim and csi; %s" .section .ask | quote }}
- expression: >-
    variables.c.?volumes == variables.old.?volumes || !has(variables.c.sidecars) && !has(variables.c.initContainers) || variables.may
  message: {{ printf "%s.volumes: containers beside %s mount them too, which others than their author would change; %s" .section .program .ask | quote }}
- expression: >-
    variables.c.?env == variables.old.?env || variables.c.?env.orValue(dyn([])).all(e, e.name in variables.environment
    || variables.old.?env.orValue(dyn([])).exists(o, o == e)) || variables.may
  message: {{ printf "%s.env: a variable can change which certificates a program trusts, where it connects to and what it loads, so that only those of the value tenants.environment are for everybody (%s); %s" .section (join ", " .environment) .ask | quote }}
- expression: variables.c.?envFrom == variables.old.?envFrom || !has(variables.c.envFrom) || variables.may
  message: {{ printf "%s.envFrom: nobody can tell which variables it will bring; %s" .section .ask | quote }}
- expression: >-
    variables.c.?volumeMounts == variables.old.?volumeMounts && variables.c.?volumes == variables.old.?volumes
    || variables.c.?volumeMounts.orValue(dyn([])).all(m, m.mountPath.startsWith('/mnt/') && !('..' in m.mountPath.split('/'))) || variables.may
  message: {{ printf "%s.volumeMounts: everybody may mount below /mnt/ only: a file over the program, /etc/hosts or /etc/resolv.conf would make something else of %s; %s" .section .program .ask | quote }}
{{- range list "sidecars" "initContainers" "serviceAccountName" "runtimeClassName" }}
- expression: variables.c.?{{ . }} == variables.old.?{{ . }} || !has(variables.c.{{ . }}) || variables.may
  message: {{ printf "%s.%s: it makes more of a pod than %s; %s" $.section . $.program $.ask | quote }}
{{- end }}
- expression: >-
    variables.c.?dnsPolicy == variables.old.?dnsPolicy && variables.c.?dnsConfig == variables.old.?dnsConfig
    || !has(variables.c.dnsPolicy) && !has(variables.c.dnsConfig) || variables.may
  message: {{ printf "%s.dnsConfig, dnsPolicy: who chooses how names are resolved could give an allowed server's name another address, and have Secrets sent there; %s" .section .ask | quote }}
- expression: >-
    variables.c.?securityContext.?seLinuxOptions == variables.old.?securityContext.?seLinuxOptions
    || !variables.c.?securityContext.?seLinuxOptions.hasValue() || variables.may
  message: {{ printf "%s.securityContext.seLinuxOptions: they are not for everybody; %s" .section .ask | quote }}
- expression: >-
    variables.c.?annotations == variables.old.?annotations || !has(variables.c.annotations)
    || variables.c.annotations.all(k, variables.annotationPrefixes.exists(p, k.startsWith(p))) || variables.may
  message: {{ printf "%s.annotations: annotations of pods can attach networks and change profiles, so that only those with the prefixes of the value tenants.annotationPrefixes are for everybody; %s" .section .ask | quote }}
- expression: >-
    variables.c.?labels == variables.old.?labels || !has(variables.c.labels)
    || variables.c.labels.all(k, variables.labelPrefixes.exists(p, k.startsWith(p))) || variables.may
  message: {{ printf "%s.labels: labels of pods can make them others' endpoints, so that only those with the prefixes of the value tenants.labelPrefixes are for everybody; %s" .section .ask | quote }}
- expression: >-
    variables.spec.?commonLabels == variables.oldSpec.?commonLabels || !has(variables.spec.commonLabels)
    || variables.spec.commonLabels.all(k, variables.labelPrefixes.exists(p, k.startsWith(p))) || variables.may
  message: {{ printf "spec.commonLabels: labels of pods can make them others' endpoints, so that only those with the prefixes of the value tenants.labelPrefixes are for everybody; %s" .ask | quote }}
- expression: >-
    variables.spec.?commonAnnotations == variables.oldSpec.?commonAnnotations || !has(variables.spec.commonAnnotations)
    || variables.spec.commonAnnotations.all(k, variables.annotationPrefixes.exists(p, k.startsWith(p))) || variables.may
  message: {{ printf "spec.commonAnnotations: annotations have other controllers copy a ConfigMap to other namespaces or give an account a cloud's rights, so that only those with the prefixes of the value tenants.annotationPrefixes are for everybody; %s" .ask | quote }}
- expression: >-
    variables.c.?affinity == variables.old.?affinity
    || [variables.c.?affinity.?podAffinity, variables.c.?affinity.?podAntiAffinity].all(a,
       (a.?requiredDuringSchedulingIgnoredDuringExecution.orValue(dyn([]))
       + a.?preferredDuringSchedulingIgnoredDuringExecution.orValue(dyn([])).map(p, p.podAffinityTerm)).all(t,
       !has(t.namespaceSelector) && t.?namespaces.orValue(dyn([])).all(n, n == request.namespace)))
    || variables.may
  message: {{ printf "%s.affinity: pods that keep away from those of other namespaces keep these from being scheduled, so that everybody may name pods of this namespace only, without namespaces and namespaceSelector; %s" .section .ask | quote }}
- expression: >-
    variables.c.?env == variables.old.?env && variables.c.?imagePullSecrets == variables.old.?imagePullSecrets
    || (variables.c.?env.orValue(dyn([])).all(e, !e.?valueFrom.?secretKeyRef.hasValue() || e.valueFrom.secretKeyRef.name in variables.secretNames)
       && variables.c.?imagePullSecrets.orValue(dyn([])).all(s, s.name in variables.secretNames))
    || variables.mayReadSecrets || variables.may
  message: {{ printf "%s: env and imagePullSecrets name a Secret, which is for those who may get Secrets in this namespace, unless the value tenants.secrets lists it; otherwise %s" .section .ask | quote }}
{{- end }}

{{- /* Whether pods are prior to others, as a variable of a policy. */}}
{{- define "flowfleet.tenantPrior" -}}
- name: prior # to other pods
  expression: variables.c.?priorityClassName.orValue('') != '' && !(variables.c.priorityClassName in variables.priorityClasses)
{{- end }}

{{- /* Whether pods have what others go by who give rights, such as to a network, as a variable of a policy: another image would have them, too. */}}
{{- define "flowfleet.tenantMarked" -}}
- name: marked # labels, annotations or a runtime that are not for everybody
  expression: >-
    has(variables.c.runtimeClassName)
    || [variables.c.?annotations, variables.spec.?commonAnnotations].exists(m, m.orValue(dyn({})).exists(k, !variables.annotationPrefixes.exists(p, k.startsWith(p))))
    || [variables.c.?labels, variables.spec.?commonLabels].exists(m, m.orValue(dyn({})).exists(k, !variables.labelPrefixes.exists(p, k.startsWith(p))))
{{- end }}

{{- /*
What somebody with the verb has given pods leads others neither to other nodes nor to other users. The policies have the variables prior,
onNodes and others besides. Of a dict with the section about pods, what they have of nodes and of containers, and whom to ask.
*/}}
{{- define "flowfleet.tenantNodes" -}}
- expression: >-
    variables.c.?nodeSelector == variables.old.?nodeSelector && variables.c.?tolerations == variables.old.?tolerations
    && variables.c.?affinity == variables.old.?affinity || !variables.onNodes && !variables.prior || variables.may
  message: {{ printf "%s.nodeSelector, tolerations, affinity: %s there; for other nodes %s" .section .has .ask | quote }}
{{- end }}

{{- define "flowfleet.tenantUsers" -}}
- expression: >-
    variables.c.?securityContext.?runAsUser == variables.old.?securityContext.?runAsUser
    && variables.c.?securityContext.?runAsGroup == variables.old.?securityContext.?runAsGroup
    && variables.c.?securityContext.?fsGroup == variables.old.?securityContext.?fsGroup
    && variables.c.?securityContext.?assignedByPlatform == variables.old.?securityContext.?assignedByPlatform
    || !variables.others || variables.may
  message: {{ printf "%s.securityContext: %s, whose user and group would change; %s" .section .has .ask | quote }}
{{- end }}
