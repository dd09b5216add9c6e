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
    summary: 'Begin to put a large file straight into the store',
    description: 'Each part is PUT to its url; then the upload is completed, and a message names it by its id.',
    access: 'person',
    params: conversationParams,
    body: startUploadBody,
    answers: { 201: { description: 'Where the parts go', data: startedUpload } },
    errors: ['CONVERSATION_NOT_FOUND', 'FILE_TOO_LARGE', 'STORAGE_UNAVAILABLE'],
  },
  {
    method: 'post',
    path: `${UPLOADS}/{attachmentId}/complete`,
    id: 'completeUpload',
    tag,
    summary: 'All parts are there',
    access: 'person',
    params: uploadParams,
    answers: { 200: { description: 'The attachment, for a message to name', data: attachment } },
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
    summary: "Give up an upload of one's own that no message names",
    access: 'person',
    params: uploadParams,
    answers: { 200: { description: 'It is removed', data: nothing } },
    errors: ['CONVERSATION_NOT_FOUND', 'ATTACHMENT_NOT_FOUND', 'STORAGE_UNAVAILABLE'],
  },
  {
    method: 'get',
    path: '/api/messages/attachments/{attachmentId}',
    id: 'getAttachment',
    tag,
    summary: 'A fresh address of a file, for whoever is in its conversation now',
    description: 'HEAD answers with an address that is signed for HEAD.',
    access: 'person',
    params: attachmentParams,
    answers: { 302: { description: 'To the file; the address expires' } },
    errors: ['ATTACHMENT_NOT_FOUND'],
  },
]
