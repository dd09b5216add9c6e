{{- define "parley.fullname" -}}
{{- if contains "parley" .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-parley" .Release.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{/* Labels of all resources. Call with (dict "root" $ "component" "api"). */}}
{{- define "parley.labels" -}}
{{ include "parley.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: parley
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "parley.selector" -}}
app.kubernetes.io/name: parley
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "parley.image" -}}
{{- $image := .root.Values.image -}}
{{- $tag := $image.tag | default .root.Chart.AppVersion -}}
{{- if $image.registry }}{{ $image.registry }}/{{ end }}{{ $image.repository }}/{{ .component }}:{{ $tag }}
{{- end -}}

{{- define "parley.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "parley.fullname" .) "default") -}}
{{- end -}}

{{- define "parley.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "parley.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{/* The secrets of a process: required ones first, then optional ones. */}}
{{- define "parley.secrets" -}}
{{- $needs := dict
  "api" (list "DATABASE_URL" "REDIS_URL" "S3_ACCESS_KEY_ID" "S3_SECRET_ACCESS_KEY")
  "gateway" (list "DATABASE_URL" "REDIS_URL" "S3_ACCESS_KEY_ID" "S3_SECRET_ACCESS_KEY")
  "worker" (list "DATABASE_URL" "REDIS_URL" "S3_ACCESS_KEY_ID" "S3_SECRET_ACCESS_KEY")
  "web" list -}}
{{- $wants := dict
  "api" (list "DATABASE_REPLICA_URL" "JWT_SECRET" "JWT_SECRET_PREVIOUS" "S3_SESSION_TOKEN" "OTEL_EXPORTER_OTLP_HEADERS")
  "gateway" (list "JWT_SECRET" "JWT_SECRET_PREVIOUS" "S3_SESSION_TOKEN" "OTEL_EXPORTER_OTLP_HEADERS")
  "worker" (list "VAPID_PRIVATE_KEY" "S3_SESSION_TOKEN" "OTEL_EXPORTER_OTLP_HEADERS")
  "web" list -}}
{{- $secret := .root.Values.existingSecret -}}
{{- range get $needs .component }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ . }} } }
{{- end }}
{{- range get $wants .component }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ . }}, optional: true } }
{{- end }}
{{- end -}}

{{/* A setting's value as text. Helm parses numbers in values files as floats and would print 31536000 as 3.1536e+07. */}}
{{- define "parley.value" -}}
{{- if kindIs "string" . }}{{ quote . }}{{ else }}{{ toJson . | quote }}{{ end -}}
{{- end -}}

{{/* Custom certificate authorities: the variable for Node, the mount and the volume. Empty if none are set. */}}
{{- define "parley.caEnv" -}}
{{- if .Values.caCertificates.secret }}
- { name: NODE_EXTRA_CA_CERTS, value: {{ printf "/etc/parley/ca/%s" .Values.caCertificates.key | quote }} }
{{- end }}
{{- end -}}

{{- define "parley.caMount" -}}
{{- if .Values.caCertificates.secret }}
volumeMounts: [{ name: ca, mountPath: /etc/parley/ca, readOnly: true }]
{{- end }}
{{- end -}}

{{- define "parley.caVolume" -}}
{{- with .Values.caCertificates }}
{{- if .secret }}
volumes: [{ name: ca, secret: { secretName: {{ .secret }}, items: [{ key: {{ .key | quote }}, path: {{ .key | quote }} }] } }]
{{- end }}
{{- end }}
{{- end -}}

{{/* The Deployment of a process. Call with (dict "root" $ "component" "api" "public" true). */}}
{{- define "parley.deployment" -}}
{{- $root := .root -}}
{{- $values := get $root.Values .component -}}
{{- $shutdown := $root.Values.shutdown -}}
{{- $autoscaled := dig "autoscaling" "enabled" false $values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "parley.fullname" $root }}-{{ .component }}
  labels: {{ include "parley.labels" . | nindent 4 }}
spec:
  {{- if not $autoscaled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  selector:
    matchLabels: {{ include "parley.selector" . | nindent 6 }}
  strategy:
    type: RollingUpdate
    {{- if eq .component "web" }}
    # All at once: a page of one build would not find its files on a pod of another build.
    rollingUpdate: { maxSurge: "100%", maxUnavailable: 0 }
    {{- else }}
    # One at a time: the sockets of each terminating gateway move to the others.
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  # A Deployment continues once the new pod is ready, even if the old one is still draining. Without this pause, all gateways
  # would drain at about the same time, and clients would move from one terminating gateway to the next.
  minReadySeconds: {{ add $shutdown.preStopSeconds $shutdown.drainSeconds }}
    {{- end }}
  template:
    metadata:
      labels: {{ include "parley.labels" . | nindent 8 }}
      annotations:
        checksum/config: {{ $root.Values.config | toJson | sha256sum }}
        {{- with $values.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      serviceAccountName: {{ include "parley.serviceAccount" $root }}
      {{- include "parley.podSecurity" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ add $shutdown.preStopSeconds $shutdown.drainSeconds 10 }}
      containers:
        - name: {{ .component }}
          image: {{ include "parley.image" . }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          {{- include "parley.containerSecurity" . | nindent 10 }}
          ports:
            {{- if .public }}
            - { name: http, containerPort: 8080 }
            {{- end }}
            - { name: admin, containerPort: 9090 }
          envFrom:
            - configMapRef: { name: {{ include "parley.fullname" $root }} }
          env:
            - { name: PORT, value: "8080" }
            - { name: ADMIN_PORT, value: "9090" }
            # preStop has already waited for the balancers.
            - { name: DRAIN_DELAY_MS, value: "0" }
            {{- include "parley.secrets" . | nindent 12 }}
            {{- include "parley.caEnv" $root | nindent 12 }}
            {{- range $name, $value := $values.env }}
            - { name: {{ $name }}, value: {{ include "parley.value" $value }} }
            {{- end }}
          # Two minutes: before it opens a port, the process waits up to one minute for the schema.
          startupProbe:
            httpGet: { path: /health/live, port: admin }
            periodSeconds: 2
            failureThreshold: 60
            timeoutSeconds: 3
          livenessProbe:
            httpGet: { path: /health/live, port: admin }
            periodSeconds: 10
            failureThreshold: 3
            timeoutSeconds: 3
          readinessProbe:
            httpGet: { path: /health/ready, port: admin }
            periodSeconds: 5
            failureThreshold: 2
            timeoutSeconds: 3
          lifecycle:
            preStop: { sleep: { seconds: {{ $shutdown.preStopSeconds }} } }
          resources: {{ toYaml $values.resources | nindent 12 }}
          {{- include "parley.caMount" $root | nindent 10 }}
      {{- include "parley.caVolume" $root | nindent 6 }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{ include "parley.selector" $ | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      affinity:
        {{- if $values.affinity }}{{ toYaml $values.affinity | nindent 8 }}{{ else }}
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
                labelSelector:
                  matchLabels: {{ include "parley.selector" . | nindent 20 }}
        {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{ toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{- define "parley.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "parley.fullname" .root }}-{{ .component }}
  labels: {{ include "parley.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector: {{ include "parley.selector" . | nindent 4 }}
  # No service for the admin port: it must not be public.
  ports:
    - { name: http, port: 80, targetPort: http, appProtocol: http }
{{- end -}}
