{{- define "nodekeep.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* "nodekeep" for a release of that name, else "<release>-nodekeep". */}}
{{- define "nodekeep.fullname" -}}
{{- $name := include "nodekeep.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "nodekeep.selector" -}}
app.kubernetes.io/name: {{ include "nodekeep.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nodekeep.labels" -}}
{{ include "nodekeep.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "nodekeep.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "nodekeep.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is required if serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Without a registry, a container runtime would pull the name from a public one, where it may belong to anybody. */}}
{{- define "nodekeep.image" -}}
{{- $repository := required "image.repository is missing: name the repository that you pushed the image to, such as registry.example.com/nodekeep" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* "true" if the agent calls the API server; otherwise the pod gets no token for it. */}}
{{- define "nodekeep.hasToken" -}}
{{- or .Values.config.driver.enabled .Values.podTokens.create (ne .Values.config.versionKeySecret "") -}}
{{- end -}}

{{/* Directory of serviceAccount.loginToken; the file is "token". */}}
{{- define "nodekeep.loginTokenDirectory" -}}
/var/run/secrets/nodekeep/login
{{- end -}}

{{- define "nodekeep.port" -}}
{{- regexFind "[0-9]+$" .Values.config.http.address -}}
{{- end -}}

{{/* A size of the agent's configuration, such as 64MiB, in bytes. */}}
{{- define "nodekeep.bytes" -}}
{{- $text := kindIs "string" . | ternary . (printf "%.0f" (float64 .)) -}}
{{- $units := dict "" 1 "k" 1000 "K" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- $units = merge $units (dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776) -}}
{{- mul (regexFind "^[0-9]+" $text) (get $units (regexFind "[A-Za-z]*$" $text | trimSuffix "B")) -}}
{{- end -}}

{{/* The container's memory limit where resources.limits.memory is not set; values.yaml explains it. Sizes that are not set,
as in values of an older chart that --reuse-values kept, are the agent's defaults. */}}
{{- define "nodekeep.memoryLimit" -}}
{{- $bytes := include "nodekeep.bytes" (dig "cache" "maxBytes" "64MiB" .Values.config) -}}
{{- if .Values.config.driver.enabled -}}
{{- $bytes = add $bytes (include "nodekeep.bytes" (dig "volumesTotal" "128MiB" .Values.config.driver)) -}}
{{- end -}}
{{- printf "%dMi" (add 448 (div (add $bytes 1048575) 1048576)) -}}
{{- end -}}
