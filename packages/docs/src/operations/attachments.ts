import {
  attachment,
  attachmentParams,
  conversationParams,
  nothing,
  startedUpload,
  startUploadBody,
  uploadParams,
} from '@parley/protocol'
import type { Operation } from './types.ts'

const tag = 'Attachments'
const UPLOADS = '/api/messages/conversations/{conversationId}/attachments'

export const attachmentOperations: readonly Operation[] = [
  {
    method: 'post',
    path: UPLOADS,
    id: 'startUpload',
    tag,
    summary: 'Start uploading a large file directly to the store',
    description:
      'Each part is uploaded to its URL with PUT; then the upload is completed, and a message can use its id.',
    access: 'person',
    params: conversationParams,
    body: startUploadBody,
    answers: { 201: { description: 'Where to upload the parts', data: startedUpload } },
    errors: ['CONVERSATION_NOT_FOUND', 'FILE_TOO_LARGE', 'STORAGE_UNAVAILABLE'],
  },
  {
    method: 'post',
    path: `${UPLOADS}/{attachmentId}/complete`,
    id: 'completeUpload',
    tag,
    summary: 'Complete an upload after all parts were uploaded',
    access: 'person',
    params: uploadParams,
    answers: { 200: { description: 'The attachment, for use in a message', data: attachment } },
    errors: [
      'CONVERSATION_NOT_FOUND',
      'ATTACHMENT_NOT_FOUND',
      'UPLOAD_INCOMPLETE',
      'FILE_TOO_LARGE',
      'FILE_TYPE_NOT_ALLOWED',
      'STORAGE_UNAVAILABLE',
    ],
  },
  {
    method: 'delete',
    path: `${UPLOADS}/{attachmentId}`,
    id: 'giveUpUpload',
    tag,
    summary: 'Remove one of your uploads that is not part of a message',
    access: 'person',
    params: uploadParams,
    answers: { 200: { description: 'The upload was removed', data: nothing } },
    errors: ['CONVERSATION_NOT_FOUND', 'ATTACHMENT_NOT_FOUND', 'STORAGE_UNAVAILABLE'],
  },
  {
    method: 'get',
    path: '/api/messages/attachments/{attachmentId}',
    id: 'getAttachment',
    tag,
    summary: 'Get a new URL of a file, for current members of its conversation',
    description: 'HEAD returns a URL that is signed for HEAD.',
    access: 'person',
    params: attachmentParams,
    answers: { 302: { description: 'Redirects to the file; the URL expires' } },
    errors: ['ATTACHMENT_NOT_FOUND'],
  },
]
